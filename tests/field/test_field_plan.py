"""What a study will take is known too where an epoch is a step or two."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from image_folder import write_image_folder
from running import Command, grid

from vgglab.launch.pilot import Pilot, start_step_tail
from vgglab.launch.pool import Point
from vgglab.runs import Record, RunDirectory


def epoch_record(number: int, **values: float) -> Record:
    """The record of an epoch of two steps that took two seconds with its validation."""
    record: Record = {"step": 2 * number, "time": 10.0 + 2 * number, "validation/top1_error": 50.0}
    record["speed/step_ms"], record["speed/epoch_seconds"] = 800.0, 2.0
    record.update(values)
    return record


def test_times_come_from_whole_epochs_where_they_have_few_steps(tmp_path: Path) -> None:
    pilot = Pilot(point=Point(RunDirectory(tmp_path), ()), measured=(), spawned=4.0)
    assert start_step_tail(pilot) is None
    pilot.records = [epoch_record(1)]
    assert not pilot.is_enough  # the first epoch allocates memory
    assert start_step_tail(pilot) == pytest.approx((6.0, 0.8, 0.4))
    pilot.records.append(epoch_record(2, **{"speed/step_ms": 500.0}))
    assert pilot.is_enough
    assert start_step_tail(pilot) == pytest.approx((6.0, 0.5, 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, 3])
def test_a_study_of_sixty_images_can_be_planned(
    command: Command, tmp_path: Path, epochs: int
) -> None:
    write_image_folder(tmp_path / "images", 60, classes=3)
    data = ("data=folder", "data.root=images", "data.classes=3", "data.image_size=32")
    nets = ("sweeps=depth", "claims=none", *grid(model="a,b", seed="0,1"))
    ended = command("task=plan", *nets, *data, f"recipe.epochs={epochs}", "format=json")
    assert ended.returncode == 0, ended.stderr
    plan = json.loads(ended.stdout)
    # How long its steps wait for so small files hangs on the machine and what else it does.
    assert not [note for note in plan["notes"] if "waiting for image files" not in note]
    assert {point["measurement"]["source"] for point in plan["waiting"]} == {"pilot"}
    assert 0 < plan["total"]["seconds"] < 300
    assert plan["total"]["disk_bytes"] > 0
