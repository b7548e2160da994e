"""``hydra/launcher=slurm_array``: hydra-submitit-launcher's options, vgglab's points."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from hydra_plugins.vgglab_launcher import ProcessLauncher


class SlurmArrayLauncher(ProcessLauncher):
    """Hands a sweep's points to vgglab, which has SLURM train each in a job of its own."""

    def __init__(self, **options: Any) -> None:
        self.slurm = {
            name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
            for name, value in options.items()
        }


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
