"""``python run.py ...`` without waiting for its imports: each command is a fork of one process that
has imported all of vgglab, and is otherwise alone. A study's points are forks too, as they are
of the launcher's own fork server, which starts here without importing."""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def serve() -> None:
    """Fork a process for each line of standard input; answer with its id, then its exit code.

    A line is a JSON object of the ``folder``, the files ``out`` and ``err``, the ``overrides`` and
    the whole ``environment`` of a command.
    """
    code = compile((ROOT / "run.py").read_bytes(), ROOT / "run.py", "exec", dont_inherit=True)
    _import_all()
    gc.collect()
    gc.freeze()
    while (request := _next_request()) is not None and (child := os.fork()):
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    if request is None:
        return
    sweeps = {"-m", "--multirun"} & set(request["overrides"])
    _become(request)
    if sweeps:
        _keep_a_fork_server()
    _run(code)


def _next_request() -> dict[str, Any] | None:
    line = sys.stdin.readline()
    return json.loads(line) if line else None


def _import_all() -> None:
    import vgglab
    from vgglab.workflow.warm_up import import_all_and_wandb

    import_all_and_wandb()
    for module in pkgutil.walk_packages(vgglab.__path__, "vgglab."):
        importlib.import_module(module.name)
    importlib.import_module("scipy.stats")  # scipy loads it when it is asked for


def _become(request: dict[str, Any]) -> None:
    """Make this process what a fresh one would be whose command is the request's."""
    os.chdir(request["folder"])
    for path, descriptor in ((os.devnull, 0), (request["out"], 1), (request["err"], 2)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = [str(ROOT / "run.py"), *request["overrides"]]
    sys.orig_argv[:] = [sys.executable, *sys.argv]
    sys.path[0] = str(ROOT)


def _run(code: Any) -> None:
    """``python run.py ...``, and the end of the process, without taking all modules apart."""
    from vgglab.launch.fork_server import _main_module

    try:
        exec(code, _main_module(ROOT / "run.py"))
    except SystemExit as ended:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(ended.code or 0))


def _keep_a_fork_server() -> None:
    """Fork a child that has imported all, and have the launcher take it for its fork server."""
    from vgglab import checkout
    from vgglab.launch import fork_server, forked

    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if not child:
        ours.close()
        message, numbers, _, _ = socket.recv_fds(theirs, 2**17, 1)
        if not message:
            os._exit(0)  # it was not asked for
        theirs.close()
        request = json.loads(message)
        os.setsid()
        for descriptor in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        os.environ.clear()
        os.environ.update(request["environment"])
        fork_server.main(request["root"], request["load"], numbers[0])
        sys.exit(0)
    theirs.close()

    class Kept(forked.ForkServer):
        """The child, for the first who asks; one of one's own for others."""

        def __init__(self, load: str, environment: Mapping[str, str]) -> None:
            if ours.fileno() < 0:
                super().__init__(load, environment)
                return
            self._socket, server = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._is_ready = False
            self._process: Any = forked.Forked(child)
            about = {"root": str(checkout.root()), "load": load}
            message = json.dumps(about | {"environment": dict(environment)}).encode()
            with server, ours:
                socket.send_fds(ours, [message], [server.fileno()])

    forked.ForkServer = Kept  # type: ignore[misc]


@functools.cache
def _server() -> tuple[subprocess.Popen[str], Path]:
    """The process of this session, and a folder for what commands say."""
    # What is on the path already stays: a worktree may share the environment of another checkout.
    path = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, __file__],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(process.kill)
    return process, Path(tempfile.mkdtemp(prefix="vgglab-tests-"))


def warm_command(
    folder: Path, overrides: tuple[str, ...], environment: Mapping[str, str], timeout: float | None
) -> subprocess.CompletedProcess[str]:
    """``python run.py ...`` in a folder, to its end.

    Args:
        folder: Where it is typed.
        overrides: Its arguments.
        environment: All of its variables.
        timeout: Seconds after which it is killed; None: never.

    Returns:
        Its exit code and what it said.

    Raises:
        subprocess.TimeoutExpired: It was killed.
    """
    process, scratch = _server()
    assert process.stdin is not None
    assert process.stdout is not None
    said = {name: scratch / name for name in ("out", "err")}
    for path in said.values():
        path.write_bytes(b"")
    request = {"folder": str(folder), "overrides": overrides, "environment": dict(environment)}
    files = {name: str(path) for name, path in said.items()}
    print(json.dumps(request | files), file=process.stdin, flush=True)
    child = int(process.stdout.readline())
    ended, _, _ = select.select([process.stdout], [], [], timeout)
    if not ended:
        os.kill(child, signal.SIGKILL)
    code = int(process.stdout.readline())
    if not ended:
        assert timeout is not None
        raise subprocess.TimeoutExpired(list(overrides), timeout)
    out, err = (path.read_text(encoding="utf-8") for path in said.values())
    return subprocess.CompletedProcess(list(overrides), code, out, err)


if __name__ == "__main__":
    serve()
