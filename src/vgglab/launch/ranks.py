"""The processes of one run on this machine, watched: one that dies takes the others with it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vgglab.launch.point import PARENT
from vgglab.runs import RunDirectory, State, Status
from vgglab.signals import ASKED_TO, STOPS, say
from vgglab.world import LOOPBACK, without_world

POLL_SECONDS = 0.2
GRACE_SECONDS = 8.0
"""How long the others may take to end by themselves once one has died."""
STOP_SECONDS = 60.0
"""And once one has stopped because it was asked to: the first may still be writing."""


INTERFACES = (
    {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
)
"""Processes of one machine talk over its loopback: on others they would listen to the network."""


@dataclass(frozen=True)
class RankDied:
    """The process that ended first, and not well."""

    rank: int
    code: int
    log: Path
    """What it wrote to its standard error."""

    def __str__(self) -> str:
        if self.code < 0:
            return f"rank {self.rank} was killed by {signal.Signals(-self.code).name}"
        return f"rank {self.rank}: {self.error or f'exit code {self.code}'}"

    @property
    def error(self) -> str:
        """The line that it meant for the user, if any."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line for line in lines if line.startswith("error: ")]
        return said[-1].removeprefix("error: ") if said else ""


class RankFailed(Exception):
    """One of a run's processes did not end well; ``code`` is the command's exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def run_ranks(
    command: Sequence[str], directory: RunDirectory, count: int, threads: int
) -> RankDied | None:
    """Run ``command`` as ``count`` processes that form one world, to their end.

    The first one speaks to the terminal; what the others say goes to ``train.rank<r>.log``. A
    signal to stop is passed on to all, once. Returns the first process that failed, if any.
    """
    directory.path.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(_rank(command, directory, rank, environment))
            for rank, environment in enumerate(_environments(count, threads))
        ]
        stack.enter_context(_passing_on(processes))
        try:
            return _watch(processes, directory)
        finally:
            for process in processes:
                process.kill()  # nothing, where it has ended


def error_log(directory: RunDirectory, rank: int) -> Path:
    """Where the standard error of a process goes."""
    return directory.rank_log(rank) if rank else directory.path / "train.rank0.err"


@contextlib.contextmanager
def _rank(
    command: Sequence[str], directory: RunDirectory, rank: int, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    # What an earlier attempt's first process said is in train.log; the others have one file each.
    with error_log(directory, rank).open("ab" if rank else "wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log if rank else None,
            stderr=log,
            env=environment,
            start_new_session=True,  # Ctrl-C at the terminal is ours to pass on, once
        )
    with process:
        yield process


def _environments(count: int, threads: int) -> Iterator[dict[str, str]]:
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    for rank in range(count):
        yield without_world(os.environ) | {
            PARENT: str(os.getpid()),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": LOOPBACK,
            "MASTER_PORT": str(port),
            **INTERFACES,
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
        }


@contextlib.contextmanager
def _passing_on(processes: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    asked = False

    def pass_on(number: int, frame: object) -> None:
        nonlocal asked
        if not asked:
            name = signal.Signals(number).name
            say(f"{name}: all processes stop at the next checkpoint; once more ends them at once")
        asked = True
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(
    processes: Sequence[subprocess.Popen[bytes]], directory: RunDirectory
) -> RankDied | None:
    deadline, first = float("inf"), None
    while any(process.poll() is None for process in processes):
        if first is None:
            first = _first_death(processes, directory)
            # Those that are left wait for it, or have seen it go and are writing why they end.
            if first is not None:
                grace = STOP_SECONDS if first.code == ASKED_TO else GRACE_SECONDS
                deadline = time.monotonic() + grace
        if time.monotonic() > deadline:
            for process in processes:
                process.kill()
        time.sleep(POLL_SECONDS)
    return first or _first_death(processes, directory)


def _first_death(
    processes: Sequence[subprocess.Popen[bytes]], directory: RunDirectory
) -> RankDied | None:
    """Of those seen dead at one look, a killed one before one that may have died of its death."""
    dead = [(p.returncode, rank) for rank, p in enumerate(processes) if p.poll()]
    if not dead:
        return None
    code, rank = min(dead, key=lambda found: (found[0] > 0, found[1]))
    return RankDied(rank, code, error_log(directory, rank))


def note_rank_death(directory: RunDirectory, died: RankDied) -> None:
    """Write down why the run ended: the first process knew at most that it lost the others."""
    status = Status.read(directory.status)
    if not status.state.is_outcome:
        status.end_attempt(State.FAILED, f"{died}; see {died.log}")
        status.write(directory.status)


def command_of_this_process() -> list[str]:
    """What started this process, to be started again."""
    return [sys.executable, *sys.orig_argv[1:]]
