"""Claims on a run that other machines see: numbered files that their owners keep fresh.

On one machine the kernel's lock says more, and at once; not every shared file system passes it on.
The file with the highest number belongs to the owner. To take over from a dead owner is to create
the next number, which the file system lets one process do and no other. A number is never used
again: the owner marks its file as released when it is done.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vgglab.signals import say

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0
"""Between two signs of life of an owner."""
STALE_SECONDS = 120.0
"""An owner on another machine that was silent for so long is taken to be dead."""
WATCHED_HEARTBEATS = 1.5
"""Heartbeats to wait before a stale claim is taken: after a jump of a clock, its owner moves it."""
POLL_SECONDS = 1.0
PREFIX = ".lock."
RELEASED = 0
"""Time of change of a claim that its owner has given back."""


@dataclass(frozen=True)
class Claim:
    """One numbered file, as it was read."""

    path: Path
    machine: str
    """The owner's machine; empty while the file is still being written."""
    pid: int
    heartbeat: float
    """Time of the owner's last sign of life, by the file system's clock."""

    @property
    def number(self) -> int:
        return _number(self.path)

    def is_alive(self, now: float) -> bool:
        """Whether the owner may be at work, as far as another machine can tell."""
        return self.heartbeat != RELEASED and now - self.heartbeat < STALE_SECONDS


def this_machine() -> str:
    """Name this machine since its last start; no other machine or start has the same name."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    started = boot.read_text(encoding="ascii").strip() if boot.exists() else ""
    return f"{platform.node()}/{started}"


def latest_claim(folder: Path) -> Claim | None:
    """Read the claim with the highest number; None where there has never been one."""
    for path in sorted(_claims(folder), key=_number, reverse=True):
        with contextlib.suppress(FileNotFoundError):  # a later owner has removed it
            heartbeat, text = (
                path.stat().st_mtime,
                path.read_text(encoding="utf-8", errors="replace"),
            )
            try:
                owner: dict[str, Any] = json.loads(text)
                return Claim(path, str(owner["machine"]), int(owner["pid"]), heartbeat)
            except (ValueError, KeyError, TypeError):  # its owner is still writing it
                return Claim(path, "", 0, heartbeat)
    return None


def _claims(folder: Path) -> list[Path]:
    """The numbered files; a cloud drive or an editor may leave copies with more in their names."""
    return [p for p in folder.glob(f"{PREFIX}*") if p.name.removeprefix(PREFIX).isdecimal()]


def _number(path: Path) -> int:
    return int(path.name.removeprefix(PREFIX))


def has_owner_elsewhere(folder: Path) -> bool:
    """Whether a process on another machine owns the folder and is alive."""
    claim = latest_claim(folder)
    return claim is not None and _is_elsewhere(claim) and claim.is_alive(time.time())


def _is_elsewhere(claim: Claim) -> bool:
    """Whether the owner is on another machine: on this one, the kernel's lock decides."""
    return claim.machine != this_machine()


@dataclass
class Watch:
    """The latest claim on a folder, and since when it is as it is: by this process's own clock, for
    the owner's may be ahead."""

    claim: Claim | None = None
    since: float = field(default_factory=time.monotonic)

    def unchanged_seconds(self, seen: Claim | None) -> float:
        """How long the claim has been as it is seen now."""
        if seen != self.claim:
            self.claim, self.since = seen, time.monotonic()
        return time.monotonic() - self.since


@contextlib.contextmanager
def hold_claim(folder: Path, timeout: float = -1, watch: Watch | None = None) -> Iterator[None]:
    """Own the folder; the caller has the kernel's lock on it.

    Args:
        folder: of the run.
        timeout: seconds to wait for an owner; -1: as long as it takes.
        watch: goes on from one wait to the next, for who waits in turns.

    Raises:
        TimeoutError: an owner on another machine was still alive after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout if timeout >= 0 else math.inf
    watch = watch or Watch()
    while True:
        seen = latest_claim(folder)
        is_free = _is_free(seen, folder, watch.unchanged_seconds(seen))
        mine = _take(folder, seen) if is_free else None
        if mine is not None:
            break
        if time.monotonic() >= deadline:
            other = latest_claim(folder)
            raise TimeoutError(f"{folder}: its owner is {other.machine if other else 'another'}")
        time.sleep(POLL_SECONDS)
    with _kept_fresh(mine):
        yield


def _is_free(claim: Claim | None, folder: Path, unchanged_seconds: float) -> bool:
    if claim is None or claim.heartbeat == RELEASED or not _is_elsewhere(claim):
        return True
    if unchanged_seconds >= STALE_SECONDS:  # its clock, by which it seems alive, may be ahead
        return True
    is_silent = unchanged_seconds >= WATCHED_HEARTBEATS * HEARTBEAT_SECONDS
    return is_silent and not claim.is_alive(_file_system_time(folder))


def _file_system_time(folder: Path) -> float:
    """Read the file system's clock, which may differ from this machine's."""
    probe = folder / ".lock"
    probe.touch()
    return probe.stat().st_mtime


def _take(folder: Path, before: Claim | None) -> Path | None:
    """Create the number after the free one; None where another process was faster.

    The number after a later one would belong to its owner, who is at work.
    """
    mine = folder / f"{PREFIX}{before.number + 1 if before else 1}"
    try:
        descriptor = os.open(mine, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps({"machine": this_machine(), "pid": os.getpid()}))
    now = latest_claim(folder)
    if now is None or now.path != mine:  # taken, used and followed by a later one meanwhile
        mine.unlink(missing_ok=True)
        return None
    for path in _claims(folder):
        if _number(path) < now.number:
            path.unlink(missing_ok=True)
    return mine


@contextlib.contextmanager
def _kept_fresh(mine: Path) -> Iterator[None]:
    """Give signs of life from a thread; mark the claim as released at the end."""
    ended = threading.Event()
    thread = threading.Thread(target=_give_heartbeats, args=(mine, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(OSError):  # it gets stale by itself
            os.utime(mine, (RELEASED, RELEASED))


def _give_heartbeats(mine: Path, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_SECONDS):
        with contextlib.suppress(OSError):  # a file system that is away for a moment
            now = latest_claim(mine.parent)
            if now is not None and now.path != mine:
                _end_process(now)
            os.utime(mine)


def _end_process(owner: Claim) -> None:
    """End at once: whatever this process still wrote would be among another owner's files."""
    message = f"{owner.machine} has taken this run over: there was no sign of life from here"
    log.error("%s", message)
    say(f"error: {message}")  # whether anybody hears it or not
    os._exit(1)
