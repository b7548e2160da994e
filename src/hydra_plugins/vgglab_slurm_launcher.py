"""``hydra/launcher=slurm_array``: the options of hydra-submitit-launcher for vgglab's points.

The only place that knows this package: ``launch/slurm.py`` gets the parameters of submitit.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from hydra_plugins.vgglab_launcher import ProcessLauncher

IS_INSTALLED = find_spec("hydra_plugins.hydra_submitit_launcher") is not None
if IS_INSTALLED:
    from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf, SlurmQueueConf


class SlurmArrayLauncher(ProcessLauncher):
    """Hands the points of a sweep to vgglab, which has SLURM train each in a job of its own."""

    def __init__(self, **options: Any) -> None:
        # Without the package there are no options: launcher=slurm then says what to install.
        self.slurm = submitit_parameters(options) if IS_INSTALLED else {}


def submitit_parameters(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options under the names that submitit has for them; ``folder`` is its own."""
    values = {
        name: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        for name, value in options.items()
    }
    folder = values.pop("submitit_folder")
    del values["max_num_timeout"]  # submitit would requeue; vgglab does so after its checkpoint
    common = OmegaConf.structured(BaseQueueConf).keys()
    named = {name if name in common else f"slurm_{name}": value for name, value in values.items()}
    return {"folder": folder, **named}


def _node() -> dict[str, Any]:
    """Return the launcher's config node: all options, some of them set from vgglab's config."""
    target = {"_target_": f"{__name__}.{SlurmArrayLauncher.__name__}"}
    if not IS_INSTALLED:
        return target
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
            # Set from the devices of the run; another number of tasks would be another run.
            "tasks_per_node": None,
            "nodes": "${nodes}",
        }
    )


ConfigStore.instance().store(
    group="hydra/launcher", name="slurm_array", node=_node(), provider="vgglab"
)
