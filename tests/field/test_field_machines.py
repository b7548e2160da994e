"""B: file systems without locks or links, clocks, servers and signals that are not as usual."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from running import ROOT, SMALL, command_environment, command_line, wait_for

from vgglab.models.torchvision_weights import check_finite
from vgglab.models.weight_files import WeightsError
from vgglab.runs import RunDirectory, State, claim
from vgglab.tracking import server
from vgglab.tracking.local_files import link_runs

NO_FLOCK = """
import errno, fcntl
def flock(*_): raise OSError(errno.ENOSYS, "Function not implemented")
fcntl.flock = flock
"""


def without_flock(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command as on Lustre that was mounted without flock."""
    (folder / "sitecustomize.py").write_text(NO_FLOCK)
    return subprocess.run(
        [sys.executable, *command],
        env=os.environ
        | {"PYTHONPATH": f"{folder}:{ROOT / 'src'}", "TORCH_EXTENSIONS_DIR": str(folder / "built")},
        capture_output=True,
        text=True,
        check=False,
    )


CLAIM = """
import sys
from pathlib import Path
from filelock import Timeout
from vgglab.runs import RunDirectory
run = RunDirectory(Path(sys.argv[1]))
with run.claim(timeout=1):
    try:
        with RunDirectory(run.path).claim(timeout=0.1):
            print("two are inside")
    except Timeout:
        print("one at a time", run.is_claimed())
print(run.is_claimed())
"""


def test_a_run_is_claimed_without_flock(tmp_path: Path) -> None:
    said = without_flock(tmp_path, "-c", CLAIM, str(tmp_path / "run"))
    assert said.stdout == "one at a time True\nFalse\n", said.stderr


BUILD = """
from vgglab.models.kernels import build
build.LONGEST_BUILD = 1.0
few = ("cpu_kernels.h", "max_pool.cpp")  # of all of them a build takes half a minute
build.IMPORTED = {path: text for path, text in build.IMPORTED.items() if path.name in few}
print(build.has_kernels())
"""


@pytest.mark.slow
def test_kernels_are_built_without_flock_and_beside_a_lock_that_was_left(tmp_path: Path) -> None:
    said = without_flock(tmp_path, "-c", BUILD)
    assert said.stdout == "True\n", said.stderr
    (library,) = tmp_path.glob("built/*/*.so")
    assert not list(library.parent.glob("tmp*"))
    library.unlink()
    for name in ("lock", ".build.lock"):  # torch's and ours
        (library.parent / name).touch()
    said = without_flock(tmp_path, "-c", BUILD)
    assert said.stdout == "True\n", said.stderr
    assert library.exists()
    begun = time.monotonic()
    assert without_flock(tmp_path, "-c", BUILD).stdout == "True\n"  # built already
    assert time.monotonic() - begun < 60


def test_no_links_cost_no_more_than_the_flat_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "runs" / "a"
    (run / "wandb" / "offline-run-20261127_120000-x").mkdir(parents=True)
    assert link_runs(tmp_path / "study", [run]) == tmp_path / "study" / "wandb"

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    assert link_runs(tmp_path / "other", [run]) is None
    assert "no flat folder for wandb leet: Operation not permitted" in caplog.text


def owned_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, stale: float, heartbeat: float
) -> Path:
    """A folder's claim by another machine, with the seconds after which its silence counts."""
    monkeypatch.setattr(claim, "STALE_SECONDS", stale)
    monkeypatch.setattr(claim, "HEARTBEAT_SECONDS", heartbeat)
    monkeypatch.setattr(claim, "POLL_SECONDS", 0.02)
    path = folder / ".lock.7"
    path.write_text('{"machine": "elsewhere", "pid": 1}')
    return path


def sign_an_hour_ahead(path: Path) -> None:
    ahead = time.time() + 3_600
    os.utime(path, (ahead, ahead))


def test_an_owner_whose_clock_is_ahead_is_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It died; the time of its last sign of life is an hour from now."""
    sign_an_hour_ahead(owned_elsewhere(tmp_path, monkeypatch, stale=1.0, heartbeat=0.2))
    begun = time.monotonic()
    with claim.hold_claim(tmp_path, 10):
        assert 1 <= time.monotonic() - begun < 5


def test_one_that_gives_signs_of_life_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ended = (
        owned_elsewhere(tmp_path, monkeypatch, stale=0.6, heartbeat=0.1),
        threading.Event(),
    )

    def beat() -> None:
        while not ended.wait(0.1):
            sign_an_hour_ahead(path)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        with pytest.raises(TimeoutError), claim.hold_claim(tmp_path, 2):
            pytest.fail("two are inside")
    finally:
        ended.set()
        thread.join()


def test_a_server_that_answers_a_byte_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(server, "SECONDS", 1.0)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                for byte in b"HTTP/1.0 200 OK\r\nX-Header: " + b"x" * 1_000:
                    if ended.wait(0.2):
                        return
                    connection.sendall(bytes([byte]))

        thread = threading.Thread(target=drip)
        thread.start()
        begun = time.monotonic()
        assert not server.answers(f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert time.monotonic() - begun < 4
        ended.set()
        thread.join()


def test_weights_that_are_no_numbers_are_named() -> None:
    state = {"a.weight": torch.ones(3), "b.bias": torch.tensor([1.0, float("nan")])}
    with pytest.raises(WeightsError, match=r"weights=x\.pth: b\.bias has values that are NaN"):
        check_finite(state, "x.pth")
    check_finite({"a.weight": torch.ones(3), "b.count": torch.tensor(3)}, "x.pth")


HANGING_UP = """
import os, signal, sys
from vgglab.signals import StopRequest, raise_on_stop
signal.signal(signal.SIGHUP, signal.SIG_IGN if "nohup" in sys.argv else signal.SIG_DFL)
with StopRequest() as request:
    for _ in range(3):
        os.kill(os.getpid(), signal.SIGHUP)
    print(request.noted and request.noted.name)
try:
    with raise_on_stop("what follows"):
        os.kill(os.getpid(), signal.SIGHUP)
    print("not raised")
except KeyboardInterrupt as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("how", "said"), [("", "SIGHUP\nSIGHUP\n"), ("nohup", "None\nnot raised\n")]
)
def test_a_terminal_that_is_closed(how: str, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HANGING_UP, how], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (0, said), ended.stderr


UNLESS_NOHUP = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.slow
def test_a_run_ends_with_a_checkpoint_when_its_terminal_is_closed(
    tmp_path: Path, datasets: Path
) -> None:
    fields = (*SMALL, f"paths.data={datasets}", "recipe.epochs=50")
    reader, writer = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", UNLESS_NOHUP, *command_line(*fields)],
        cwd=tmp_path,
        env=command_environment(),
        stdin=writer,
        stdout=writer,
        stderr=writer,
        start_new_session=True,
    )
    os.close(writer)
    threading.Thread(target=_drain, args=(reader,), daemon=True).start()
    wait_for(lambda: list(tmp_path.glob("runs/*/checkpoints/last.ckpt")), "it has a checkpoint")
    process.send_signal(signal.SIGHUP)
    assert process.wait(120) == 130
    (run,) = (tmp_path / "runs").iterdir()
    status = RunDirectory(run).read_status()
    assert (status.state, status.reason) == (State.INTERRUPTED, "SIGHUP")


def _drain(reader: int) -> None:
    while True:
        try:
            if not os.read(reader, 4_096):
                return
        except OSError:
            return
