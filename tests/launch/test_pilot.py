"""What is read from the records of a pilot."""

from __future__ import annotations

from pathlib import Path

import pytest

from vgglab.config.parse import parse
from vgglab.launch.pilot import Pilot
from vgglab.launch.pool import Point
from vgglab.runs import RunDirectory
from vgglab.workflow.micro_batch import CUDA_MIB
from vgglab.workflow.run_costs import scaled, tensors_mib, timing_of


def pilot_of(folder: Path, **of_step: float) -> Pilot:
    pilot = Pilot(point=Point(RunDirectory(folder), ()), measured=(), spawned=1.0, ended=9.0)
    pilot.records = [{"step": n, "time": 2.0 + n, **of_step} for n in range(4)]
    pilot.peaks = {7: [3000.0] * 20}
    return pilot


def test_memory_of_machine_and_gpu_are_told_apart(tmp_path: Path) -> None:
    timing = timing_of(pilot_of(tmp_path, **{"speed/card_memory_mib": 500.0}), parse({}), "pilot")
    assert timing is not None
    assert (timing.memory_mib, timing.card_mib) == (3000, 500 + CUDA_MIB)
    without = timing_of(pilot_of(tmp_path), parse({}), "pilot")
    assert without is not None
    assert (without.memory_mib, without.card_mib) == (3000, None)


def test_larger_tensors_take_more_of_the_memory_that_they_lie_in(tmp_path: Path) -> None:
    small, large = (parse({"recipe": {"batch_size": size}}) for size in (16, 32))
    more = tensors_mib(large) - tensors_mib(small)
    for of_step, host, card in (
        ({}, 3000 + more, None),
        ({"speed/card_memory_mib": 500.0}, 3000, 500 + CUDA_MIB + more),
    ):
        timing = timing_of(pilot_of(tmp_path, **of_step), small, "pilot")
        assert timing is not None
        found = scaled(timing, large, small)
        assert (found.memory_mib, found.card_mib) == pytest.approx((host, card))


def test_what_a_step_waits_for_data_is_of_all_records_but_the_first(tmp_path: Path) -> None:
    pilot = pilot_of(tmp_path)
    for record, percent in zip(pilot.records, (99.0, 40.0, 60.0, 41.0), strict=True):
        record["speed/data_percent"] = percent
    timing = timing_of(pilot, parse({}), "pilot")
    assert timing is not None
    assert timing.data_percent == 41
    # Of another net and other data it says nothing.
    assert scaled(timing, parse({}), parse({})).data_percent is None


def test_an_epoch_of_two_steps_says_by_its_parts_what_waits_for_data(tmp_path: Path) -> None:
    pilot = pilot_of(tmp_path)
    parts = {"data": 30.0, "forward": 20.0, "backward": 40.0, "optimiser": 10.0, "logging": 0.0}
    pilot.records = [
        {
            "step": 2,
            "time": 5.0,
            "validation/top1_error": 50.0,
            "speed/step_ms": 100.0,
            "speed/epoch_seconds": 2.0,
            **{f"speed/{part}_ms": value for part, value in parts.items()},
        }
    ]
    timing = timing_of(pilot, parse({}), "pilot")
    assert timing is not None
    assert timing.data_percent == pytest.approx(30)
