"""Where the files of a run are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from vgglab.runs import claim as lease
from vgglab.runs.status import State, Status


@dataclass(frozen=True)
class RunDirectory:
    """``runs/<id>/``: one path a file of the contract."""

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
        """What ``task=verify`` found out, if it was asked."""
        return self.path / "verify.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        return self.checkpoints / "last.ckpt"

    @property
    def previous_checkpoint(self) -> Path:
        """What ``last.ckpt`` was before its last write."""
        return self.checkpoints / "previous.ckpt"

    @property
    def finite_checkpoint(self) -> Path:
        """Of a run that diverged: the net after the last step that was finite."""
        return self.checkpoints / "finite.ckpt"

    @property
    def best_checkpoint(self) -> Path:
        return self.checkpoints / "best.ckpt"

    def selected_checkpoint(self, select: str) -> Path:
        """Whose weights are tested, and given to runs that start from this one:
        ``recipe.select``, ``best`` or ``last``."""
        return self.best_checkpoint if select == "best" else self.last_checkpoint

    @property
    def skipped(self) -> Path:
        """Files that ``data.on_error=skip`` made the run do without; most runs have none."""
        return self.path / "skipped.csv"

    @property
    def log(self) -> Path:
        return self.path / "train.log"

    def rank_log(self, rank: int) -> Path:
        """What a process of the run says; the first one's is ``train.log``."""
        return self.path / f"train.rank{rank}.log" if rank else self.log

    def predictions(self, protocol: str) -> Path:
        return self.path / "predictions" / f"{protocol}.parquet"

    @property
    def _lock(self) -> FileLock:
        return FileLock(self.path / ".lock")

    @contextlib.contextmanager
    def claim(self, timeout: float = -1) -> Iterator[None]:
        """Be the only process that works on this run; wait for another to end.

        The kernel gives the lock back when its owner dies, so a killed process leaves none behind.
        An owner on another machine is seen by its heartbeat (``lease``), which it stops giving.

        Raises:
            filelock.Timeout: another process still had it after ``timeout`` seconds.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._lock.acquire(timeout=timeout))
            try:
                stack.enter_context(lease.held(self.path, timeout))
            except TimeoutError as error:
                raise Timeout(str(self.path / ".lock")) from error
            yield

    def is_claimed(self) -> bool:
        """Whether some process works on this run now."""
        if not (self.path / ".lock").exists():
            return False
        try:
            with self._lock.acquire(timeout=0):
                return lease.owner_elsewhere(self.path) is not None
        except Timeout:
            return True

    def read_status(self) -> Status:
        """The status as it is now: a ``running`` one whose process died is ``interrupted``."""
        status = Status.read(self.status)
        if status.state is State.RUNNING and not self.is_claimed():
            # It may have ended between the two looks.
            status = Status.read(self.status)
            if status.state is State.RUNNING:
                status.state = State.INTERRUPTED
                status.reason = f"process {status.pid} on {status.host} died"
        return status
