"""Runs the processes of one run on this machine; the death of one ends the others.

Not by torch's elastic launcher: docs/lab-notes.md (2026-11-26) has the comparison.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vgglab.launch.point import PARENT
from vgglab.runs import RunDirectory, State, Status
from vgglab.signals import STOPPED_EXIT_CODE, STOPS, heeded, say
from vgglab.world import LOOPBACK, without_world

POLL_SECONDS = 0.2
GRACE_SECONDS = 8.0
"""Longest time that the others may take to end by themselves after one has died."""
STOP_SECONDS = 60.0
"""The same after one has stopped at a signal: rank 0 may still be writing."""

INTERFACES = (
    {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
)
"""Variables that keep the processes of one machine on its loopback, away from the network."""


@dataclass(frozen=True)
class RankDied:
    """The process that failed first."""

    rank: int
    code: int
    log: Path
    """File with its standard error."""
    since: int = 0
    """Bytes of the file that are of earlier attempts."""

    def __str__(self) -> str:
        if self.code < 0:
            return f"rank {self.rank} was killed by {signal.Signals(-self.code).name}"
        return f"rank {self.rank}: {self.error or f'exit code {self.code}'}"

    @property
    def was_stopped(self) -> bool:
        """Whether it was asked to stop, perhaps before it could heed that."""
        return self.code == STOPPED_EXIT_CODE or -self.code in STOPS

    @property
    def error(self) -> str:
        """Its message for the user; empty without one."""
        said = self.log.read_bytes()[self.since :].decode("utf-8", errors="replace")
        lines = said.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        return errors[-1].removeprefix("error: ") if errors else ""


class RankFailed(Exception):
    """A process of a run failed; ``code`` is the exit code of the command."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def run_ranks(
    command: Sequence[str], directory: RunDirectory, count: int, threads: int
) -> RankDied | None:
    """Run a command as several processes that train one run, until all have ended.

    Rank 0 writes to the terminal, the others to ``train.rank<r>.log``. A signal to stop is passed
    on to all.

    Args:
        command: Program and arguments, the same for each process.
        directory: Folder of the run.
        count: Number of processes.
        threads: Threads of each process.

    Returns:
        The process that failed first, if any.
    """
    directory.path.mkdir(parents=True, exist_ok=True)
    before = [_bytes_before(directory, rank) for rank in range(count)]
    with contextlib.ExitStack() as stack:
        processes = [
            stack.enter_context(_rank(command, directory, rank, environment))
            for rank, environment in enumerate(_environments(count, threads))
        ]
        stack.enter_context(_passing_on(processes))
        try:
            died = _watch(processes, directory)
        finally:
            for process in processes:
                process.kill()  # does nothing where it has ended
    return died and replace(died, since=before[died.rank])


def _bytes_before(directory: RunDirectory, rank: int) -> int:
    """Bytes that earlier attempts have left in what is appended to; rank 0 begins its file anew."""
    log = error_log(directory, rank)
    return log.stat().st_size if rank and log.exists() else 0


def error_log(directory: RunDirectory, rank: int) -> Path:
    """Return the file with the standard error of a process."""
    return directory.rank_log(rank) if rank else directory.path / "train.rank0.err"


@contextlib.contextmanager
def _rank(
    command: Sequence[str], directory: RunDirectory, rank: int, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    # Rank 0 of an earlier attempt has its messages in train.log; the others have only this file.
    with error_log(directory, rank).open("ab" if rank else "wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log if rank else None,
            stderr=log,
            env=environment,
            start_new_session=True,  # this process passes on Ctrl-C, once
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
    is_stopping = False

    def pass_on(number: int, frame: object) -> None:
        nonlocal is_stopping
        if not is_stopping:
            name = signal.Signals(number).name
            say(f"{name}: all processes stop at the next checkpoint; once more ends them at once")
        is_stopping = True
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in heeded(STOPS)}
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
            # The others wait for it, or have noticed its death and are writing why they end.
            if first is not None:
                grace = STOP_SECONDS if first.was_stopped else GRACE_SECONDS
                deadline = time.monotonic() + grace
        if time.monotonic() > deadline:
            for process in processes:
                process.kill()
        time.sleep(POLL_SECONDS)
    return first or _first_death(processes, directory)


def _first_death(
    processes: Sequence[subprocess.Popen[bytes]], directory: RunDirectory
) -> RankDied | None:
    """Return the first failure; a killed process goes before one that may have failed for it."""
    dead = [(p.returncode, rank) for rank, p in enumerate(processes) if p.poll()]
    if not dead:
        return None
    code, rank = min(dead, key=lambda found: (found[0] > 0, found[1]))
    return RankDied(rank, code, error_log(directory, rank))


def has_begun(directory: RunDirectory, since: float) -> bool:
    """Whether an attempt at a run has begun since then, in seconds since the epoch."""
    history = Status.read(directory.status).history
    return bool(history) and history[-1].started >= since


def record_rank_death(directory: RunDirectory, died: RankDied, *, since: float = math.inf) -> None:
    """Record why the run ended: rank 0 knew at most that it had lost the others.

    Args:
        directory: Folder of the run.
        died: The process that failed first.
        since: When the processes were started, in seconds since the epoch.
    """
    if directory.is_claimed():
        return  # they waited for another process, which still trains this run
    status = Status.read(directory.status)
    if not status.state.is_outcome:
        status.note_end(State.FAILED, f"{died}; see {died.log}", since=since)
        status.write(directory.status)


def command_of_this_process() -> list[str]:
    """Return the command that started this process, to start it again."""
    return [sys.executable, *sys.orig_argv[1:]]
