"""``hydra/launcher=processes``. Hydra finds launchers in the package ``hydra_plugins`` alone."""

from __future__ import annotations

import atexit
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from vgglab.config.choices import check_choices
from vgglab.workflow.selectors import refuse_unread
from vgglab.world import leave_agent

if TYPE_CHECKING:
    from vgglab.commands.chosen_points import ChosenPoints

STUDY_SWEEPER = "hydra_plugins.vgglab_sweeper.DesignSweeper"
"""Hands over all points of a study at once; conf/config.yaml chooses it."""


class ProcessLauncher(Launcher):
    """Hands the points of a sweep to vgglab, which trains each in a process of its own."""

    slurm: Mapping[str, Any] | None = None
    """Parameters of submitit for the job array; None where this machine starts the processes."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Note who chooses the points; each is composed anew from its overrides.

        Args:
            hydra_context: Hydra's loader and callbacks.
            task_function: The application.
            config: The composed config.
        """
        overrides = config.hydra.overrides
        check_choices(config.hydra.runtime.choices, [*overrides.hydra, *overrides.task])
        refuse_unread(config)
        leave_agent()  # a study is many runs, and none of them the agent's
        self._sweeper = str(config.hydra.runtime.choices["hydra/sweeper"])
        self._has_whole_study = config.hydra.sweeper._target_ == STUDY_SWEEPER
        self._folder, self._studies = Path(config.hydra.sweep.dir), str(config.paths.studies)
        self._paths = [str(path) for path in config.paths.values()]
        self._chosen: ChosenPoints | None = None

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Train points.

        Our own sweeper hands over a whole study, after which it has nothing to add, and the process
        leaves with the study's exit code. Another sweeper chooses its next
        points by what these return.

        Args:
            job_overrides: The overrides of each point.
            initial_job_idx: The number of points before these.

        Returns:
            For each point, in order, the lowest validation error of its run, percent; or, as a
            failure, why it has none.
        """
        # Hydra loads every plugin at the start of every command; most need no study.
        from vgglab.commands.chosen_points import ChosenPoints
        from vgglab.commands.study import run_study
        from vgglab.workflow.places import refuse_unwritable_studies
        from vgglab.workflow.snapshot import from_a_copy

        if self._has_whole_study:
            with from_a_copy(self._folder, self._paths):
                raise SystemExit(run_study(job_overrides, slurm=self.slurm))
        refuse_unwritable_studies(self._studies, self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)  # Optuna's writes its best point there
        if self._chosen is None:  # once for all batches
            copied = ExitStack()
            atexit.register(copied.close)
            copied.enter_context(from_a_copy(self._folder, self._paths))
            self._chosen = ChosenPoints(f"hydra/sweeper={self._sweeper}", self.slurm)
        return [
            JobReturn(
                overrides=overrides,
                status=JobStatus.FAILED if isinstance(value, Exception) else JobStatus.COMPLETED,
                _return_value=value,
            )
            for overrides, value in zip(
                job_overrides, self._chosen.train(job_overrides), strict=True
            )
        ]


ConfigStore.instance().store(
    group="hydra/launcher",
    name="processes",
    node={"_target_": f"{__name__}.{ProcessLauncher.__name__}"},
    provider="vgglab",
)
