"""Fields that the points of a study have, and the command's own composition has not."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from image_folder import write_image_folder
from running import SMALL, Command, completed

SWEEP = """# @package _global_
study:
  name: folders
  scientific: [model.name]
hydra:
  sweeper:
    params:
      data: folder
      model: a,b
"""


@pytest.mark.parametrize(
    "typed",
    [
        ("-m", "sweeps=paper"),
        ("-m", "experiments=table3_a_256,table3_b_256"),
        ("task=plan", "sweeps=paper"),
        ("task=report", "sweeps=paper"),
    ],
)
def test_they_are_checked_with_the_points(typed: tuple[str, ...], tmp_path: Path) -> None:
    ended = completed(tmp_path, *typed, "data.root='a b'", "data.on_error=never")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line == "error: data.on_error = \"never\": must be 'fail' or 'skip'"


def test_they_reach_the_points(tmp_path: Path) -> None:
    named = ("task=runs", "sweeps=paper", "format=json")
    before, after = (
        completed(tmp_path, *named, *more) for more in ((), ("data.validation_images=2000",))
    )
    assert (before.returncode, after.returncode) == (0, 0), after.stderr
    runs = [{row["run"] for row in json.loads(said.stdout)} for said in (before, after)]
    assert len(runs[0]) == len(runs[1]) == 12
    assert not runs[0] & runs[1]  # other images to train on are other runs


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("data.root=x",), "data.root: a field of data=folder, imagenet or imagenette alone"),
        (
            ("-m", "data=digits,folder", "data.root=x"),
            "data.root: a field of data=folder, imagenet or imagenette alone",
        ),
        (
            ("task=plan", "sweeps=depth", "data.root=x"),
            "data.root: a field of data=folder, imagenet or imagenette alone",
        ),
        (("-m", "sweeps=paper", "data.roots=x"), "data.roots: no such field"),
        (("task=plan", "sweeps=paper", "data.roots=x"), "data.roots: no such field"),
    ],
)
def test_a_field_that_a_point_has_not_is_refused(
    typed: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    ended = completed(tmp_path, *typed)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert message in line


@pytest.mark.slow
def test_a_study_of_a_folder_is_launched_and_listed(tmp_path: Path, command: Command) -> None:
    write_image_folder(tmp_path / "images", 60)
    (tmp_path / "mine" / "sweeps").mkdir(parents=True)
    (tmp_path / "mine" / "sweeps" / "folders.yaml").write_text(SWEEP)
    small = [field for field in SMALL if not field.startswith(("data.", "recipe.epochs"))]
    fields = (
        *("--config-dir", "mine", "sweeps=folders", "data.root=images", "data.image_size=32"),
        *(*small, "recipe.epochs=1"),
    )
    launched = command("-m", *fields)
    assert launched.returncode == 0, launched.stderr
    listed = command("task=runs", *fields, "format=csv")
    assert listed.returncode == 0, listed.stderr
    assert len(list(csv.DictReader(io.StringIO(listed.stdout)))) == 2
    by_name = command("task=runs", "study.name=folders", "format=csv", "--config-dir", "mine")
    assert by_name.stdout == listed.stdout
