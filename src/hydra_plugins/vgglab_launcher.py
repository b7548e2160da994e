"""``hydra/launcher=processes``. Hydra finds launchers in the package ``hydra_plugins`` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class ProcessLauncher(Launcher):
    """Hands the points of a sweep to vgglab, which trains each in a process of its own."""

    slurm: Mapping[str, Any] | None = None
    """Parameters of submitit for the job array; None where this machine starts the processes."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Does nothing: each point is composed anew from its overrides.

        Args:
            hydra_context: Hydra's loader and callbacks.
            task_function: The application.
            config: The composed config.
        """

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the study, then leave with its exit code: the sweeper has nothing to add."""
        # Hydra loads every plugin at the start of every command; most need no study.
        from vgglab.commands.study import run_study

        raise SystemExit(run_study(job_overrides, slurm=self.slurm))


ConfigStore.instance().store(
    group="hydra/launcher",
    name="processes",
    node={"_target_": f"{__name__}.{ProcessLauncher.__name__}"},
    provider="vgglab",
)
