"""A study's design, from its YAML and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import SMALL, Command, completed

OTHERS = [override for override in SMALL if not override.startswith("model.width")]

SWEEP = """\
# @package _global_
study:
  name: mine
  design: one_at_a_time
hydra:
  sweeper:
    params:
      model: e,d,a
      model.width: 0.0625,0.125,0.25
      seed: 0,1
"""


@pytest.mark.parametrize(
    ("own", "points"),
    [
        ((), 10),  # the base, two other nets and two other widths, twice
        (("study.design=zip", "hydra.sweeper.params.seed=5"), 3),
    ],
)
def test_the_points_of_a_sweep_are_those_of_its_design(
    tmp_path: Path, datasets: Path, own: tuple[str, ...], points: int
) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine.yaml").write_text(SWEEP, encoding="utf-8")
    folder = ("--config-dir", str(tmp_path), f"paths.data={datasets}")
    ended = completed(tmp_path, *folder, "task=runs", "sweeps=mine", *OTHERS, *own, "format=json")
    assert ended.returncode == 0, ended.stderr
    assert len(json.loads(ended.stdout)) == points


def test_lists_that_move_together_are_declared_before_anything_trains(
    command: Command, tmp_path: Path
) -> None:
    lists = ("model=a,b", "model.width=0.0625,0.125", "seed=0,1")
    ended = command("-m", *OTHERS, *lists, "study.design=zip")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "model.width: 0.0625 (model.name a), 0.125 (model.name b); name them" in ended.stderr
    assert not (tmp_path / "runs").exists()
