"""``hydra/sweeper=asking``: a sweeper that chooses its last points by what it is told of the first.

Hydra finds it where ``tests/sweepers`` is on the path.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class AskingSweeper(Sweeper):
    """Asks for a batch of points, then for each of ``then`` at the best of them.

    A point is overrides with blanks between them. ``told.json`` in the study's folder has for each
    point the state of its job, what it returned, and why it failed. With ``STOPPED`` in its
    environment, the name of a signal, it sends itself that one between the two.
    """

    launcher: Launcher

    def __init__(self, first: Sequence[str], then: Sequence[str]) -> None:
        self._first, self._then = first, then

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher that the config names.

        Args:
            hydra_context: Hydra's loader and callbacks.
            task_function: The application.
            config: The composed config.
        """
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self._told = Path(config.hydra.sweep.dir) / "told.json"

    def sweep(self, arguments: list[str]) -> None:
        """Ask, tell, and ask again."""
        jobs = self._launch([[*arguments, *point.split()] for point in self._first], 0)
        if "STOPPED" in os.environ:
            os.kill(os.getpid(), signal.Signals[os.environ["STOPPED"]])
        ended = [job for job in jobs if job.status is JobStatus.COMPLETED]
        best = min(ended, key=lambda job: float(job.return_value))
        assert best.overrides is not None
        more = [[*best.overrides, *point.split()] for point in self._then]
        jobs += self._launch(more, len(jobs)) if more else []
        self._told.write_text(json.dumps([_plain(job) for job in jobs]))

    def _launch(self, points: Sequence[Sequence[str]], before: int) -> list[JobReturn]:
        return list(self.launcher.launch(points, initial_job_idx=before))


def _plain(job: JobReturn) -> list[object]:
    is_done = job.status is JobStatus.COMPLETED
    assert job.overrides is not None
    return [job.status.name, job.return_value if is_done else str(job._return_value), job.overrides]


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="asking",
    node={"_target_": f"{__name__}.{AskingSweeper.__name__}", "first": [], "then": []},
    provider="vgglab's tests",
)
