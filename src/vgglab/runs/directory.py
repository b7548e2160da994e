"""The folder of a run: where its files are, and which process may write there."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vgglab.runs.claim import Watch, has_owner_elsewhere, hold_claim, latest_claim
from vgglab.runs.damage import DamagedFile, read_object, say_once
from vgglab.runs.status import State, Status

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
"""Of a folder that may not be written."""


@dataclass(frozen=True)
class RunDirectory:
    """``runs/<id>/``: a property for each file that the layout promises."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def status(self) -> Path:
        return self.path / "status.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def result(self) -> Path:
        return self.path / "result.json"

    @property
    def certificate(self) -> Path:
        """The findings of ``task=verify``, if it was run."""
        return self.path / "verify.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        return self.checkpoints / "last.ckpt"

    @property
    def previous_checkpoint(self) -> Path:
        """The content of ``last.ckpt`` before its last write."""
        return self.checkpoints / "previous.ckpt"

    @property
    def has_checkpoint(self) -> bool:
        """Whether there may be one to go on from. A kill may have left ``previous.ckpt`` alone."""
        return self.last_checkpoint.exists() or self.previous_checkpoint.exists()

    @property
    def finite_checkpoint(self) -> Path:
        """The net after the last finite step of a run that diverged."""
        return self.checkpoints / "finite.ckpt"

    @property
    def best_checkpoint(self) -> Path:
        return self.checkpoints / "best.ckpt"

    @property
    def previous_best_checkpoint(self) -> Path:
        """The content of ``best.ckpt`` before its last write."""
        return self.checkpoints / "previous_best.ckpt"

    def selected_checkpoint(self, select: str) -> Path:
        """Return the checkpoint that is tested and that other runs start from.

        ``select`` is ``recipe.select``: ``best`` or ``last``.
        """
        return self.best_checkpoint if select == "best" else self.last_checkpoint

    @property
    def skipped(self) -> Path:
        """List of the files that ``data.on_error=skip`` left out; most runs have none."""
        return self.path / "skipped.csv"

    @property
    def log(self) -> Path:
        return self.path / "train.log"

    def rank_log(self, rank: int) -> Path:
        """Log of one process of the run; that of rank 0 is ``train.log``."""
        return self.path / f"train.rank{rank}.log" if rank else self.log

    def predictions(self, protocol: str) -> Path:
        return self.path / "predictions" / f"{protocol}.parquet"

    @property
    def _lock(self) -> FileLock:
        return FileLock(self.path / ".lock")

    @contextlib.contextmanager
    def claim(self, timeout: float = -1, watch: Watch | None = None) -> Iterator[None]:
        """Be the only process that works on this run; wait for another one to end.

        The kernel releases the lock when its owner dies, so a killed process leaves none behind.
        An owner on another machine is known by its heartbeat, which ends with it.

        Args:
            timeout: seconds to wait; -1: as long as it takes.
            watch: of an owner on another machine; who waits in turns has one for all of them.

        Raises:
            filelock.Timeout: another process still had it after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout if timeout >= 0 else math.inf
        with contextlib.ExitStack() as stack:
            # Whoever was waited for may have removed the folder, and its lock with it.
            while not stack.enter_context(self._locked(deadline)):
                stack.close()
            try:
                stack.enter_context(hold_claim(self.path, _left_until(deadline), watch))
            except TimeoutError as error:
                raise Timeout(str(self.path / ".lock")) from error
            yield

    @contextlib.contextmanager
    def _locked(self, deadline: float) -> Iterator[bool]:
        """Hold the kernel's lock in this folder.

        Yields:
            Whether the file that is locked is that of the folder as it now is; only then it counts.

        Raises:
            filelock.Timeout: another process still had it at the deadline.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        lock = self._lock
        try:
            lock.acquire(timeout=_left_until(deadline))
        except FileNotFoundError:  # removed between the two
            yield False
            return
        try:
            yield self._is_of_this_folder(lock)
        finally:
            lock.release()

    def _is_of_this_folder(self, lock: FileLock) -> bool:
        try:
            here = (self.path / ".lock").stat()
        except FileNotFoundError:
            return False
        descriptor = lock._context.lock_file_fd  # filelock has no public name for it
        return descriptor is not None and os.path.samestat(os.fstat(descriptor), here)

    def is_claimed(self) -> bool:
        """Whether a process works on this run now; its heartbeat tells who may only read."""
        if not (self.path / ".lock").exists():
            return False
        try:
            with self._lock.acquire(timeout=0):
                return has_owner_elsewhere(self.path)
        except Timeout:
            return True
        except FileNotFoundError:  # removed since
            return False
        except OSError as error:
            if error.errno not in READ_ONLY:
                raise
            owner = latest_claim(self.path)
            return owner is not None and owner.is_alive(time.time())

    def read_status(self) -> Status:
        """Read the status; a ``running`` one whose process has died becomes ``interrupted``, and so
        does an outcome whose result is damaged or gone: the run goes on and writes it anew."""
        status = Status.read(self.status)
        if status.state is State.RUNNING and not self.is_claimed():
            # It may have ended between reading the status and asking for the claim.
            status = Status.read(self.status)
            if status.state is State.RUNNING:
                status.state = State.INTERRUPTED
                status.reason = f"process {status.pid} on {status.host} died"
        if status.state.is_outcome:
            try:
                self._check_result(status.state)
            except DamagedFile as error:
                say_once(error, "its run counts as interrupted")
                status.state = State.INTERRUPTED
                status.reason = f"{self.result.name} is damaged"
        return status

    def _check_result(self, state: State) -> None:
        """See that an outcome has its result, by which others choose.

        Raises:
            DamagedFile: it has none, or half of one.
        """
        result = read_object(self.result)
        if result is None:
            raise DamagedFile(self.result, ValueError("the file is gone"))
        if state is State.FINISHED and not result.get("validation"):
            raise DamagedFile(self.result, ValueError("it has no validation"))


def _left_until(deadline: float) -> float:
    """Seconds to wait for a lock; -1, as the locks have it, where there is no deadline."""
    return max(0.0, deadline - time.monotonic()) if deadline < math.inf else -1
