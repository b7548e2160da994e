"""Starts points by a fork of a process that has imported what they need (``fork_server.py``)."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from vgglab import checkout
from vgglab.launch.fork_server import FAILED, GO, PROGRAM, TITLE
from vgglab.launch.point import adopting

LOAD_SECONDS = 120.0
"""Longest time that the server may take to import; it takes as long as a point would."""
FORK_SECONDS = 20.0
"""Longest time that it may take to fork."""
MOST_FAILURES = 3
"""Failures in a row after which points are started the cold way."""
WAIT_SECONDS = 0.02


class PointProcess(Protocol):
    """What launchers use of ``subprocess.Popen``."""

    pid: int
    returncode: int | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Forked:
    """A process of the server's that is this one's child; used like ``subprocess.Popen``."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if timeout is not None and deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(WAIT_SECONDS)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Send SIGKILL unless it has ended."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """A running server, started in the folder and with the environment that its points have."""

    def __init__(self, load: str, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._is_ready = False
        number = str(theirs.fileno())
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(checkout.root()), load, number, TITLE],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Return when it has imported.

        Raises:
            OSError: it died, or takes too long.
        """
        if not self._is_ready:
            self._receive(LOAD_SECONDS)
            self._is_ready = True

    def start(self, command: Sequence[str], variables: Mapping[str, str], log: BinaryIO) -> Forked:
        """Start a process that goes on as a command would.

        Args:
            command: ``python run.py`` and its arguments.
            variables: By which its environment differs from the server's.
            log: File for its output.

        Returns:
            The process, a child of this one.

        Raises:
            OSError: the server died or cannot fork, or this machine does not hand on children.
        """
        message = json.dumps({"command": list(command), "variables": dict(variables)}).encode()
        waiting, let_go = os.pipe()
        try:
            with adopting():
                socket.send_fds(self._socket, [message], [log.fileno(), waiting])
                process = Forked(int(self._receive(FORK_SECONDS)))
            process.poll()  # raises where it is no child of this process
            os.write(let_go, GO)  # closed without it, the process ends
        finally:
            os.close(waiting)
            os.close(let_go)
        return process

    def end(self) -> None:
        """End the server; points that it has started go on."""
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _receive(self, seconds: float) -> bytes:
        self._socket.settimeout(seconds)
        found = self._socket.recv(32)
        if not found:
            raise OSError("it has ended")
        if found == FAILED:
            raise OSError("it cannot fork")
        return found


class WarmStart:
    """Starts the points of this process by one server, which is replaced where it dies.

    Each method does nothing where points are started the cold way: without a name of what to load,
    on another system than Linux, or after failures.
    """

    def __init__(self) -> None:
        self._server: ForkServer | None = None
        self._wanted: tuple[object, ...] | None = None
        self._failures = 0

    def prepare(self, load: str, environment: Mapping[str, str]) -> None:
        """Begin to start the server, so that it imports while this process does other things.

        Args:
            load: ``module:function`` that imports what the points need; empty: the cold way.
            environment: Of the points, except what differs between them.
        """
        is_cold = sys.platform != "linux" or not load or self._failures >= MOST_FAILURES
        wanted = None if is_cold else (load, checkout.root(), Path.cwd(), dict(environment))
        if wanted != self._wanted:
            self.end()
        if wanted is not None and self._server is None:
            with contextlib.suppress(OSError):  # nor might a cold process start; that one says why
                self._server, self._wanted = ForkServer(load, environment), wanted

    def start(
        self, command: Sequence[str], variables: Callable[[], Mapping[str, str]], log: BinaryIO
    ) -> Forked | None:
        """Start a process by the server that was prepared.

        Args:
            command: ``python run.py`` and its arguments.
            variables: Returns those by which its environment differs, once the server is ready.
            log: File for its output.

        Returns:
            The process; None where it is to be started the cold way.
        """
        if self._server is None:
            return None
        try:
            self._server.wait_until_ready()
            process = self._server.start(command, variables(), log)
        except OSError as error:
            self.end()
            self._failures += 1
            log.write(f"started without the fork server: {error}\n".encode())
            log.flush()
            return None
        self._failures = 0
        return process

    @property
    def pid(self) -> int | None:
        """Process id of the server, if there is one."""
        return self._server.pid if self._server is not None else None

    def end(self) -> None:
        """End the server, if there is one; points that it has started go on."""
        if self._server is not None:
            self._server.end()
        self._server = self._wanted = None


warm_start = WarmStart()
"""Of this process: sweeps go on look by look, and Optuna's batch by batch."""
atexit.register(warm_start.end)
