"""The process that has imported what points need, and forks into each of them.

It computes nothing: it has no CUDA, no threads of torch or OpenMP, no files and no service of W&B.
Threads that a library starts when it is imported (OpenBLAS, pyarrow's allocator) end in a fork by
the library's own means. All points have its hash seed, where each cold process draws its own: no
result depends on it. ``forked.py`` is the other end of its socket.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from vgglab.checkout import leave_other_source
from vgglab.launch.point import die_with

PROGRAM = (
    "import sys; root = sys.argv[1]; sys.path[:1] = [root + '/src', root]; "
    "from vgglab.launch.fork_server import main; main(sys.argv[1], sys.argv[2], int(sys.argv[3]))"
)
"""For ``python -c``, with the checkout, what to load, the number of the socket, and a title."""

TITLE = " " * 2000
"""Room for the command that a point shows in ``ps``."""

READY, GO, FAILED = b"ready", b"go", b"failed"
LARGEST_REQUEST = 2**17
"""Bytes of a request: a command and a few variables."""


def main(root: str, load: str, number: int) -> None:
    """Load, then fork for each request until the launcher ends; each fork goes on as a point.

    Args:
        root: The checkout, whose ``run.py`` the points run.
        load: ``module:function``, called once.
        number: Descriptor of the socket to the launcher.
    """
    die_with(os.getppid())
    script = Path(root) / "run.py"
    # With the other source: what is changed meanwhile is for the next study.
    code = compile(script.read_bytes(), script, "exec", dont_inherit=True)
    path = sys.path[1:]  # as it is for ``python run.py``, which puts its source first by itself
    leave_other_source()
    with socket.socket(fileno=number) as launcher:
        module, _, function = load.partition(":")
        getattr(importlib.import_module(module), function)()
        gc.collect()
        gc.freeze()  # no collection in a point writes to the pages that all share
        launcher.send(READY)
        request = None
        while request is None:
            request = _answer(launcher)
    _become(request)
    sys.path[:] = path
    # From here like ``python run.py ...``: what it raises, its exit code and its end are Python's.
    exec(code, _main_module(script))


def _answer(launcher: socket.socket) -> dict[str, Any] | None:
    """Fork for the next request and tell the launcher the number of the process.

    Returns:
        The request, in the new process; None in the server.
    """
    message, (*files,), _, _ = socket.recv_fds(launcher, LARGEST_REQUEST, 2)
    if not message:
        os._exit(0)
    reading, writing = os.pipe()
    try:
        between = os.fork()
    except OSError:  # no memory, or too many processes
        between = -1
    if between:
        os.close(writing)
        if between > 0:
            os.waitpid(between, 0)
        launcher.send(os.read(reading, 32) or FAILED)
        for file in (reading, *files):
            os.close(file)
        return None
    # A process that forks once more and ends leaves its child to the launcher (``adopting``).
    with contextlib.suppress(OSError):
        if not (point := os.fork()):
            os.close(reading)
            os.close(writing)
            request: dict[str, Any] = json.loads(message)
            return request | {"log": files[0], "go": files[1]}
        os.write(writing, str(point).encode())
    os._exit(0)


def _become(request: dict[str, Any]) -> None:
    """Make this process what a fresh one would be whose command is the request's."""
    os.setsid()
    if os.read(request["go"], len(GO)) != GO:
        os._exit(1)  # the launcher has ended, or has given up
    for descriptor in (1, 2):
        os.dup2(request["log"], descriptor)
    for file in (request["go"], request["log"]):
        os.close(file)
    # A launcher that is not to be interrupted, behind ``nohup`` or ``&``, still interrupts points.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(request["variables"])
    command = request["command"]
    sys.orig_argv[:], sys.argv[:] = command, command[1:]
    _show_command(" ".join(command))
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()  # Python's own generator seeds itself after a fork


def _main_module(script: Path) -> dict[str, Any]:
    main_module = ModuleType("__main__")
    main_module.__file__, main_module.__cached__ = str(script), None  # type: ignore[attr-defined]
    main_module.__loader__ = SourceFileLoader("__main__", str(script))
    sys.modules["__main__"] = main_module
    return main_module.__dict__


def _show_command(text: str) -> None:
    """Write a command over that of the server, for ``ps`` and for those who look for a point."""
    fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace")
    begin, end = (int(field) for field in fields.rpartition(")")[2].split()[45:47])
    size = end - begin
    if size >= len(TITLE):
        ctypes.memmove(begin, os.fsencode(text).ljust(size)[:size], size)
