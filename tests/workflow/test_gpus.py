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
from vgglab.workflow.resolve import resolve

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
def test_auto_asks_torch_where_something_speaks_for_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(machine.VISIBLE, "0")
    assert machine.may_have_gpus()
    assert resolve(parse({})).trainer.accelerator == "cpu"


@no_gpu
def test_a_variable_that_hides_all_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(machine.VISIBLE, "-1")
    with pytest.raises(ConfigError, match="no GPU that CUDA_VISIBLE_DEVICES=-1 names"):
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
    monkeypatch.setattr(gpus, "usable_gpus", lambda: ("0", "1"))
    refuse_without_gpus(on_gpus(2))
    with pytest.raises(ConfigError, match=r"^devices = 3: must be at most 2"):
        refuse_without_gpus(on_gpus(3))
    # A shell within a step of one task starts processes of its own.
    for name, value in (("STEP_NUM_TASKS", "1"), ("PROCID", "0"), ("LOCALID", "0")):
        monkeypatch.setenv(f"SLURM_{name}", value)
    with pytest.raises(ConfigError, match=r"^devices = 3: must be at most 2"):
        refuse_without_gpus(on_gpus(3))


def test_points_that_share_a_machine_share_its_cores_for_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vgglab.workflow.points.usable_gpus", lambda: ("0", "1"))
    monkeypatch.setattr("vgglab.workflow.resolve.cores", lambda: 32)
    config = parse({"trainer": {"accelerator": "gpu"}, "launcher": {"jobs": 8}})
    assert resolve(config).trainer.workers == 16  # alone on the machine
    shown = slots_of([config] * 9).environment(0)
    monkeypatch.setenv(machine.AT_A_TIME, shown[machine.AT_A_TIME])
    assert resolve(config).trainer.workers == 4
    asked = parse({"trainer": {"accelerator": "gpu", "workers": 5}})
    assert resolve(asked).trainer.workers == 5


def test_a_sweep_trains_on_the_gpus_that_the_user_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vgglab.workflow.points.usable_gpus", lambda: ("2", "3"))
    slots = slots_of([on_gpus(1)] * 9)
    assert (slots.jobs, slots.gpus, slots.sharing) == (2, ("2", "3"), 1)


def test_as_many_points_share_a_gpu_as_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vgglab.workflow.points.usable_gpus", lambda: ("2", "3"))
    slots = slots_of([parse({"trainer": {"accelerator": "gpu"}, "launcher": {"jobs": 5}})] * 9)
    assert (slots.jobs, slots.sharing) == (5, 3)
    shown = [slots.environment(slot) for slot in range(5)]
    assert [s["CUDA_VISIBLE_DEVICES"] for s in shown] == ["2", "3", "2", "3", "2"]
    monkeypatch.setenv(machine.SHARING, shown[0][machine.SHARING])
    assert machine.gpu_share() == 1 / 3


@pytest.mark.parametrize(
    ("width", "card", "cores", "jobs"),
    [
        (0.125, 80, 64, 16),  # at most 8 on each
        (0.125, 80, 6, 6),  # a core for each
        (0.125, 4, 64, 8),
        (1.0, 4, 64, 4),
        (1.0, 1, 64, 2),  # tried all the same
    ],
)
def test_auto_fills_gpus_as_memory_and_cores_allow(
    width: float, card: int, cores: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = {"trainer": {"accelerator": "gpu"}, "launcher": {"jobs": "auto"}, "devices": 1}
    narrow, wide = (parse(tree | {"model": {"width": each}}) for each in (0.125, width))
    monkeypatch.setattr("vgglab.workflow.points.usable_gpus", lambda: ("0", "1"))
    monkeypatch.setattr("vgglab.workflow.points.card_bytes", lambda: card * 2**30)
    monkeypatch.setattr(machine, "cores", lambda: cores)
    assert slots_of([narrow] * 30 + [wide]).jobs == jobs


def test_auto_is_a_point_a_core_without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 3)
    config = parse({"trainer": {"accelerator": "cpu"}, "launcher": {"jobs": "auto"}})
    assert slots_of([config] * 9).jobs == 3
