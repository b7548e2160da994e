"""The options of hydra-submitit-launcher, as submitit names them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("submitit", reason="needs hydra-submitit-launcher")

import submitit
from hydra_plugins.hydra_submitit_launcher.config import SlurmQueueConf
from omegaconf import OmegaConf

from hydra_plugins.vgglab_slurm_launcher import submitit_parameters


def test_submitit_knows_every_parameter(tmp_path: Path) -> None:
    defaults = OmegaConf.structured(SlurmQueueConf)
    options = {name: defaults._get_node(name)._value() for name in defaults if name != "_target_"}
    parameters = submitit_parameters(options | {"partition": "main", "submitit_folder": "there"})
    assert parameters.pop("folder") == "there"
    assert (parameters["slurm_partition"], parameters["timeout_min"]) == ("main", 60)
    assert "slurm_max_num_timeout" not in parameters
    executor = submitit.AutoExecutor(cluster="debug", folder=tmp_path)
    executor.update_parameters(**parameters | {"name": "here"})  # refuses a name it does not know
    with pytest.raises(NameError):
        executor.update_parameters(slurm_no_such_option=1)
