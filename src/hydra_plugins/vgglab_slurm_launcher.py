"""``hydra/launcher=slurm_array``: hydra-submitit-launcher's options, vgglab's points."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf


class SlurmArrayLauncher(Launcher):
    """Hands a sweep's points to vgglab, which has SLURM train each in a job of its own."""

    def __init__(self, **options: Any) -> None:
        self._options = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in options.items()
        }

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Nothing to keep: a point is composed anew from its overrides."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run the study, then leave with its exit code: the sweeper has nothing to add."""
        from vgglab.app.study import run_study

        root = Path(os.environ["VGGLAB_ROOT"])
        raise SystemExit(run_study(job_overrides, root, slurm=self._options))


def _node() -> dict[str, Any]:
    """Every option of hydra-submitit-launcher; ours where they have a name in the config too."""
    target = {"_target_": f"{__name__}.{SlurmArrayLauncher.__name__}"}
    if find_spec("hydra_plugins.hydra_submitit_launcher") is None:
        return target  # launcher=slurm then says what to install
    from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf

    options = OmegaConf.to_container(OmegaConf.structured(SlurmQueueConf), resolve=False)
    assert isinstance(options, dict)
    return (
        {str(name): value for name, value in options.items()}
        | target
        | {
            "submitit_folder": "${hydra.sweep.dir}/slurm/%j",
            "name": "${study.name}",
            "partition": "${launcher.partition}",
            "timeout_min": "${launcher.minutes}",
            # The run's own devices and nodes; another number of tasks would be another run.
            "tasks_per_node": None,
            "nodes": "${nodes}",
        }
    )


ConfigStore.instance().store(
    group="hydra/launcher", name="slurm_array", node=_node(), provider="vgglab"
)
