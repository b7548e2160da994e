"""Too few GPUs: one line, before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from running import SMALL, Command

from vgglab import machine
from vgglab.config import Config
from vgglab.config.parse import ConfigError, parse
from vgglab.workflow import gpus
from vgglab.workflow.gpus import refuse_without_gpus
from vgglab.workflow.points import slots_of

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


def on_gpus(devices: int) -> Config:
    return parse({"trainer": {"accelerator": "gpu"}, "devices": devices})


@no_gpu
@pytest.mark.parametrize("sweep", [(), ("-m", "seed=0,1", "study.name=s")])
def test_without_a_driver_nothing_begins(
    sweep: tuple[str, ...], command: Command, tmp_path: Path
) -> None:
    ended = command(*SMALL, "trainer=gpu", *sweep)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert "trainer.accelerator = gpu" in ended.stderr
    assert "must be auto or cpu" in ended.stderr
    assert not (tmp_path / "runs").exists()


@no_gpu
def test_linux_shows_a_gpu_that_torch_cannot_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "gpus", lambda: ("0",))
    assert gpus.usable_gpus() == ()
    with pytest.raises(ConfigError, match="no NVIDIA driver"):
        refuse_without_gpus(on_gpus(1))


def test_a_variable_that_hides_all_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(machine.VISIBLE, "-1")
    with pytest.raises(ConfigError, match="CUDA_VISIBLE_DEVICES=-1 names no GPU"):
        refuse_without_gpus(on_gpus(1))


def test_more_devices_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "usable_gpus", lambda: ("GPU-1",))
    refuse_without_gpus(on_gpus(1))
    with pytest.raises(ConfigError, match=r"^devices = 2: must be at most 1"):
        refuse_without_gpus(on_gpus(2))
    # srun has bound one GPU to each of its tasks.
    for name, value in (("STEP_NUM_TASKS", "2"), ("PROCID", "1"), ("LOCALID", "1")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    refuse_without_gpus(on_gpus(2))


def test_a_sweep_trains_on_the_gpus_that_the_user_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vgglab.workflow.points.usable_gpus", lambda: ("2", "3"))
    slots = slots_of(on_gpus(1), 9)
    assert (slots.jobs, slots.gpus) == (2, ("2", "3"))
