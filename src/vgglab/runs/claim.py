"""A claim that other machines see: a numbered file in the run's folder, kept fresh by its owner.

On one machine the kernel's lock says more, and at once; not every shared file system passes it on.
The file with the highest number is the owner's. To take over from a dead one is to create the next
number, which the file system lets one process do and no other. A number is never given back: its
owner marks it as released when it is done.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

BEAT_SECONDS = 15.0
"""Between two signs of life."""
STALE_SECONDS = 120.0
"""Without one, an owner on another machine is taken to be dead."""
POLL_SECONDS = 1.0
PREFIX = ".lock."
RELEASED = 0
"""Time of change of a lease that its owner has given back."""


@dataclass(frozen=True)
class Lease:
    """One file."""

    path: Path
    machine: str
    """Of its owner; empty while it is still being written."""
    pid: int
    beat: float
    """When its owner last gave a sign of life, by the file system's clock."""

    @property
    def number(self) -> int:
        return int(self.path.name.removeprefix(PREFIX))

    def is_alive(self, now: float) -> bool:
        """Whether its owner may be at work, as far as another machine can tell."""
        return self.beat != RELEASED and now - self.beat < STALE_SECONDS


def this_machine() -> str:
    """This machine since it was last started; no other has this name."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    started = boot.read_text(encoding="ascii").strip() if boot.exists() else ""
    return f"{platform.node()}/{started}"


def latest(folder: Path) -> Lease | None:
    """The lease with the highest number; none where nobody has ever had one."""
    found = sorted(folder.glob(f"{PREFIX}*"), key=lambda p: int(p.name.removeprefix(PREFIX)))
    for path in reversed(found):
        with contextlib.suppress(FileNotFoundError):  # a later owner has removed it
            beat, text = path.stat().st_mtime, path.read_text(encoding="utf-8")
            if not text.endswith("}"):  # its owner is still writing it
                return Lease(path, "", 0, beat)
            said: dict[str, Any] = json.loads(text)
            return Lease(path, said["machine"], said["pid"], beat)
    return None


def owner_elsewhere(folder: Path, now: float | None = None) -> Lease | None:
    """The lease of an owner on another machine that is alive; ``now``: time of the file system."""
    lease = latest(folder)
    return lease if _is_elsewhere(lease, time.time() if now is None else now) else None


def _is_elsewhere(lease: Lease | None, now: float) -> bool:
    if lease is None or lease.machine == this_machine():
        return False  # whoever asks has the kernel's lock, or asks for it too
    return lease.is_alive(now)


@contextlib.contextmanager
def held(folder: Path, timeout: float = -1) -> Iterator[None]:
    """Own the folder; the caller has the kernel's lock on it.

    Raises:
        TimeoutError: an owner on another machine was still alive after ``timeout`` seconds.
    """
    deadline = time.monotonic() + timeout if timeout >= 0 else float("inf")
    while True:
        now, seen = _clock(folder), latest(folder)
        mine = None if _is_elsewhere(seen, now) else _take(folder, seen)
        if mine is not None:
            break
        if time.monotonic() >= deadline:
            other = latest(folder)
            raise TimeoutError(f"{folder}: its owner is {other.machine if other else 'another'}")
        time.sleep(POLL_SECONDS)
    with _beating(mine):
        yield


def _clock(folder: Path) -> float:
    """The time of the file system, whose clock may not be this machine's."""
    probe = folder / ".lock"
    probe.touch()
    return probe.stat().st_mtime


def _take(folder: Path, before: Lease | None) -> Path | None:
    """Create the number after the one that was seen to be free; none where another process was
    faster. (The number after a later one would be its owner's, who is at work.)"""
    mine = folder / f"{PREFIX}{before.number + 1 if before else 1}"
    try:
        descriptor = os.open(mine, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps({"machine": this_machine(), "pid": os.getpid()}))
    now = latest(folder)
    if now is None or now.path != mine:  # taken, used and followed by a later one meanwhile
        mine.unlink(missing_ok=True)
        return None
    for path in folder.glob(f"{PREFIX}*"):
        if int(path.name.removeprefix(PREFIX)) < now.number:
            path.unlink(missing_ok=True)
    return mine


@contextlib.contextmanager
def _beating(mine: Path) -> Iterator[None]:
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(mine, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        with contextlib.suppress(FileNotFoundError):
            os.utime(mine, (RELEASED, RELEASED))


def _beat(mine: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        now = latest(mine.parent)
        if now is not None and now.path != mine:
            _give_up(now)
        with contextlib.suppress(OSError):  # a file system that is away for a moment
            os.utime(mine)


def _give_up(owner: Lease) -> None:
    """End here and now: whatever this process still wrote would be among another's files."""
    said = f"{owner.machine} has taken this run over: there was no sign of life from here"
    log.error("%s", said)
    print(f"error: {said}", file=sys.stderr, flush=True)
    os._exit(1)
