"""Which GPU each process of a run computes on, by a torch that only says how many there are."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch

from vgglab.config import Config
from vgglab.training import distributed
from vgglab.training.distributed import Environment, ProcessGroup, process_group
from vgglab.training.testing import inference_settings
from vgglab.training.trainer import devices_of
from vgglab.world import World

THIRD = World(rank=2, local_rank=2, size=4, local_size=4, started_by="srun")


@pytest.mark.parametrize(("visible", "index", "devices"), [(4, 2, 4), (1, 0, 1), (8, 2, 4)])
def test_a_process_takes_the_gpu_of_its_place_or_the_only_one_it_sees(
    visible: int, index: int, devices: int, small_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = dataclasses.replace(small_config.trainer, accelerator="gpu")
    config = dataclasses.replace(small_config, trainer=trainer, devices=4)
    said: dict[str, Any] = {}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: visible)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: said.update(set=device))
    monkeypatch.setattr(distributed, "store_on_loopback", lambda _: None)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "29500")
    for call in ("init_process_group", "destroy_process_group"):
        monkeypatch.setattr(torch.distributed, call, lambda *_, **named: said.update(named))
    with process_group(THIRD, "gpu"):
        pass
    device = torch.device("cuda", index)
    assert (said["set"], said["device_id"]) == (device, device)
    assert inference_settings(config, ProcessGroup(THIRD)).device == device
    assert Environment(THIRD, "gpu").local_rank() == index
    assert devices_of(trainer, THIRD) == devices


def test_on_cpus_a_place_is_a_place(small_config: Config) -> None:
    assert Environment(THIRD, "cpu").local_rank() == 2
    assert devices_of(small_config.trainer, THIRD) == 4
