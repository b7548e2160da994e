"""Points that begin as forks of a server: like those that begin cold, and as independent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from running import ROOT, wait_for

from vgglab import checkout
from vgglab.config import Config
from vgglab.config.nets import shipped
from vgglab.launch.forked import WarmStart
from vgglab.launch.point import LAUNCHED
from vgglab.launch.pool import Point, PointResources, start_point
from vgglab.runs import RunDirectory, State, Status
from vgglab.workflow.warm_up import load_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the server is Linux's alone")

NOTHING = "gc:collect"
"""A server that has imported next to nothing, and is there at once."""
SHARES = PointResources(jobs=1, threads=2, gpus=("3", "5"))


@pytest.fixture(autouse=True)
def own_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Each test enters a checkout of its own, and ends its server."""
    shipped()  # read once a process, from the checkout that has nets, whichever test is the first
    monkeypatch.setenv(checkout.VARIABLE, str(tmp_path))
    own = WarmStart()
    monkeypatch.setattr("vgglab.launch.pool.warm_start", own)
    yield
    own.end()


def point(root: Path, name: str, script: str, *overrides: str) -> Point:
    """A point of a checkout whose ``run.py`` is a script."""
    (root / "run.py").write_text(script)
    return Point(RunDirectory(root / "runs" / name), overrides)


STATE = """
import json, locale, os, resource, signal, sys, threading, warnings
from pathlib import Path
main = sys.modules["__main__"]
print(json.dumps({
    "argv": sys.argv, "orig_argv": sys.orig_argv, "path": sys.path, "flags": list(sys.flags),
    "main": [main.__name__, main.__file__, main.__spec__, main.__package__, main.__cached__,
             type(main.__loader__).__name__, sorted({*vars(main)} - {"__annotations__"}),
             __name__, __file__],
    "environment": dict(os.environ), "folder": os.getcwd(), "umask": os.umask(0o22),
    "files": {n: os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")
              if os.path.exists(f"/proc/self/fd/{n}")},
    "signals": {n: repr(signal.getsignal(n)) for n in sorted(signal.valid_signals())},
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if "RLIMIT" in n},
    "is_leader": [os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid()],
    "parent": os.getppid(), "nice": os.nice(0), "cores": sorted(os.sched_getaffinity(0)),
    "streams": [(s.encoding, s.errors, s.line_buffering) for s in (sys.stdout, sys.stderr)],
    "locale": locale.setlocale(locale.LC_ALL), "warnings": repr(warnings.filters),
    "threads": threading.active_count(), "options": [sys.warnoptions, sys._xoptions],
}))
"""


def test_a_fork_is_what_a_cold_process_is(tmp_path: Path) -> None:
    found: dict[str, Any] = {}
    for load in ("", NOTHING):
        process = start_point(point(tmp_path, "x", STATE, "a=1"), ["b=2"], SHARES, 0, load)
        assert process.wait(60) == 0
        log = tmp_path / "runs/x/train.log"
        found[load] = json.loads(log.read_text())
        log.unlink()
    assert isinstance(process, subprocess.Popen) is False
    assert found[NOTHING]["parent"] == os.getpid()
    assert found[NOTHING]["orig_argv"][2:] == [
        "b=2",
        "a=1",
        "hydra.mode=RUN",
        "hydra/launcher=basic",
    ]
    for state in found.values():
        assert float(state["environment"].pop(LAUNCHED)) > 0
        # The launcher stops its points by it, also where the launcher itself is to ignore it.
        del state["signals"][str(int(signal.SIGINT))]
    assert found[NOTHING] == found[""]


def test_its_command_is_shown_as_its_own(tmp_path: Path) -> None:
    script = "import time; open('runs/x/up', 'w'); time.sleep(60)"
    script = f"import os; os.chdir({str(tmp_path)!r}); {script}"
    process = start_point(point(tmp_path, "x", script, "seed=7"), [], SHARES, 0, NOTHING)
    wait_for((tmp_path / "runs/x/up").exists, "it is up", seconds=30)
    shown = Path(f"/proc/{process.pid}/cmdline").read_text().split()
    assert shown[:3] == [sys.executable, str(tmp_path / "run.py"), "seed=7"]
    process.kill()
    assert process.wait(30) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("import sys; sys.exit(3)", 3),
        ("import os; os._exit(4)", 4),
        ("raise ValueError('said')", 1),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    ],
)
def test_each_way_to_end_has_its_code_and_ends_no_other(
    script: str, code: int, tmp_path: Path
) -> None:
    first = start_point(point(tmp_path, "x", script), [], SHARES, 0, NOTHING)
    assert first.wait(30) == code
    assert ("said" in (tmp_path / "runs/x/train.log").read_text()) == ("said" in script)
    with pytest.raises(ChildProcessError):  # no zombie is left
        os.waitpid(first.pid, os.WNOHANG)


def warm(root: Path, script: str, load: str = NOTHING) -> WarmStart:
    (root / "run.py").write_text(script)
    start = WarmStart()
    start.prepare(load, SHARES.shared_environment)
    return start


WAITS = "import time; time.sleep(60)"


def test_the_death_of_the_server_ends_no_point_and_loses_none(tmp_path: Path) -> None:
    start, command = warm(tmp_path, WAITS), [sys.executable, str(tmp_path / "run.py")]
    try:
        with (tmp_path / "log").open("ab") as log:
            running = start.start(command, dict, log)
            assert running is not None
            assert start.pid is not None
            os.kill(start.pid, signal.SIGKILL)
            assert start.start(command, dict, log) is None  # this one starts cold
            assert "started without the fork server: " in (tmp_path / "log").read_text()
            start.prepare(NOTHING, SHARES.shared_environment)
            later = start.start(command, dict, log)
        assert later is not None
        assert running.poll() is None
        for process in (running, later):
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == -signal.SIGTERM
    finally:
        start.end()


def test_a_server_that_cannot_load_is_done_without(tmp_path: Path) -> None:
    script = "print('ran')"
    for _ in range(4):  # at the last it is no longer tried
        process = start_point(point(tmp_path, "x", script), [], SHARES, 0, "no_such_module:x")
        assert process.wait(60) == 0
    said = (tmp_path / "runs/x/train.log").read_text().splitlines()
    assert said == ["started without the fork server: it has ended", "ran"] * 3 + ["ran"]


def test_a_point_that_the_launcher_gave_up_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = warm(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.setattr("vgglab.launch.forked.GO", b"")  # as if this process had ended before
    with (tmp_path / "log").open("ab") as log:
        process = start.start([sys.executable, "run.py"], dict, log)
    start.end()
    assert process is not None
    assert process.wait(30) == 1
    assert not (tmp_path / "ran").exists()


REAL = f"""
import sys
from pathlib import Path
before = {{name for name in sys.modules if name.startswith("vgglab.")}}
import json, torch
threads = torch.__config__.parallel_info()
from vgglab.commands.main import main
try:
    main(Path({str(ROOT)!r}))
finally:
    name = sys.argv[1].partition("=")[2]
    ours = {{name for name in sys.modules if name.startswith("vgglab.")}}
    Path(name, "state.json").write_text(json.dumps({{
        "threads": [threads, torch.__config__.parallel_info()],
        "cuda": torch.cuda.is_initialized(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "new": sorted(ours - before),
    }}))
"""


@pytest.mark.slow
def test_a_run_has_the_same_bits_and_the_same_torch(
    tmp_path: Path, small_config: Config, datasets: Path
) -> None:
    found = {}
    for way in ("cold", "warm"):
        overrides = (
            "model=a", "norm=batch", "model.width=0.0625", "data.classes=6",
            "data.test_fraction=0.05", "recipe.epochs=1", "recipe.schedule.warmup_epochs=0.5",
            "trainer.precision=fp32", "tracking=off", f"paths.data={datasets}", "model.dropout=0.5",
        )  # fmt: skip
        runs = tmp_path / way
        runs.mkdir()
        load = load_of(small_config) if way == "warm" else ""
        folder = RunDirectory(runs / "log")
        (tmp_path / "run.py").write_text(REAL)
        made = Point(folder, overrides)
        shares = PointResources(jobs=1, threads=2, gpus=())
        process = start_point(made, [f"paths.runs={runs}", "trainer.threads=1"], shares, 0, load)
        assert process.wait(300) == 0, folder.log.read_text()
        assert "without the fork server" not in folder.log.read_text()
        (run,) = (RunDirectory(path) for path in runs.glob("a-*"))
        assert run.read_status().state is State.FINISHED
        table = pq.read_table(run.predictions("center"))
        state = json.loads((runs / "state.json").read_text())
        found[way] = (table, state, Status.read(run.status), isinstance(process, subprocess.Popen))
    (cold, fresh, before, is_cold), (forked, state, after, is_forked_cold) = found.values()
    assert (is_cold, is_forked_cold) == (True, False)
    assert forked.equals(cold)
    assert state.pop("new") == []  # all source is the server's
    assert fresh.pop("new")
    assert state == fresh
    assert (after.source, after.versions) == (before.source, before.versions)
