"""W&B's files in the folders of runs: what waits for an upload, and links for ``wandb leet``.

Does not load wandb: its own command uploads.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

log = logging.getLogger(__name__)

MARK = ".wandb-incomplete"
"""Mark in a run's folder; W&B's own folder may be on the disk that is full."""
SERVICE = "WANDB_SERVICE"
"""Names the service of W&B's that a parent has started. What we start does without it: it may hold
a run of the same id, of a process that was killed, and it ends with that parent."""


def mark_incomplete(run: Path) -> None:
    """Record that W&B may lack rows of a run."""
    with contextlib.suppress(OSError):
        (run / MARK).touch()


def mark_complete(run: Path) -> None:
    """Record that W&B has every row of a run, on its server or in its file."""
    (run / MARK).unlink(missing_ok=True)


def is_incomplete(run: Path) -> bool:
    """Whether W&B may lack rows of a run."""
    return (run / MARK).exists()


def offline_attempts(run: Path) -> list[Path]:
    """Return the offline folders of a run, oldest first."""
    return sorted(run.glob("wandb/offline-run-*"))


def is_uploaded(attempt: Path) -> bool:
    """Whether ``wandb sync`` has marked an offline folder as uploaded in full."""
    return any(attempt.glob("*.wandb.synced"))


def waits_for_upload(run: Path) -> bool:
    """Whether the server lacks a part of a run that was to be sent there."""
    return is_incomplete(run) or not all(map(is_uploaded, offline_attempts(run)))


def uploaded_files(run: Path) -> Path | None:
    """The folder of W&B's files of an ended run; None unless its server has all of them."""
    return run / "wandb" if _attempts(run) and not waits_for_upload(run) else None


POLL_SECONDS = 0.5
"""Between two looks at which folders are uploaded."""


def upload(attempts: Sequence[Path], elsewhere: Mapping[str, str], seen: Callable[[], None]) -> str:
    """Run ``wandb sync`` on offline folders.

    It marks each uploaded folder, so that a second call goes on after an interruption.

    Args:
        attempts: the folders.
        elsewhere: ``project`` and ``entity`` where each folder is not to go to its own.
        seen: called while it works, and at its end, to look at the marks.

    Returns:
        What it printed.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = _begin(["sync"], attempts, elsewhere, said)
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                seen()
        finally:
            process.kill()  # does nothing where it has ended
            process.wait()
        seen()
        said.seek(0)
        return said.read()


def upload_live(attempt: Path, elsewhere: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Begin to upload the offline folder of a run that is at work; ends, and marks it, when the run
    does. After a killed run it would wait for ever."""
    return _begin(["beta", "sync", "--live"], [attempt], elsewhere, subprocess.DEVNULL)


def _begin(
    command: Sequence[str],
    attempts: Sequence[Path],
    elsewhere: Mapping[str, str],
    said: IO[str] | int,
) -> subprocess.Popen[bytes]:
    options = chain.from_iterable((f"--{name}", value) for name, value in elsewhere.items())
    return subprocess.Popen(
        [
            sys.executable, "-m", "wandb", *command, "--yes", *options, *map(str, attempts),
        ],
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.STDOUT,
        env={name: value for name, value in os.environ.items() if name != SERVICE},
    )  # fmt: skip


def link_runs(folder: Path, runs: Iterable[Path]) -> Path | None:
    """Link the latest attempt of each run in ``folder/wandb``, the flat folder of ``wandb leet``.

    Removes other links to attempts. Folders stay: the study's own run is one of them.

    Returns:
        The flat folder; None where W&B has kept nothing, or the file system has no links.
    """
    latest = [found[-1] for run in runs if (found := _attempts(run))]
    flat = folder / "wandb"
    if not latest:
        return None
    flat.mkdir(parents=True, exist_ok=True)
    for old in flat.iterdir():
        if old.is_symlink() and old.name.startswith(("run-", "offline-run-")):
            old.unlink()
    try:
        for target in latest:
            (flat / target.name).symlink_to(os.path.relpath(target.resolve(), flat.resolve()))
    except OSError as error:  # exFAT, SMB
        log.warning("%s: no flat folder for wandb leet: %s", flat, error.strerror)
        return None
    return flat


def _attempts(run: Path) -> list[Path]:
    """Return W&B's folders of a run, online and offline, oldest first."""
    found = [*offline_attempts(run), *run.glob("wandb/run-*")]
    return sorted(found, key=lambda path: path.name.partition("run-")[2])
