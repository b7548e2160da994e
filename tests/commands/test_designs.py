"""A study's design, from its YAML and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
from running import SMALL, Command, completed, stamps, started, wait_for

from vgglab.runs.lines import read_lines
from vgglab.study.ledger import look_line

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_lists_that_move_together_are_declared_before_anything_trains(
    command: Command, tmp_path: Path
) -> None:
    lists = ("model=a,b", "model.width=0.0625,0.125", "seed=0,1")
    ended = command("-m", *OTHERS, *lists, "study.design=zip")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "model.width: 0.0625 (model.name a), 0.125 (model.name b); name them" in ended.stderr
    assert not (tmp_path / "runs").exists()


def ended(folder: Path) -> dict[Path, int]:
    """When each file of each finished run was last written."""
    done = {
        path.parent
        for path in folder.glob("runs/*/status.json")
        if json.loads(path.read_text())["state"] == "finished"
    }
    return {path: stamp for path, stamp in stamps(folder).items() if path.parent in done}


@pytest.mark.slow
def test_killed_while_it_tunes_a_designed_study_goes_on_to_its_looks(
    tmp_path: Path, datasets: Path
) -> None:
    study = (
        f"paths.data={datasets}",
        *(override for override in SMALL if not override.startswith("recipe.learning_rate")),
        "recipe.epochs=1",
        "claims=few",
        "launcher.jobs=2",
        "study.name=mine",
        "study.design=one_at_a_time",
        "study.looks=[2,3]",
        "study.tune={recipe.learning_rate:[0.01,0.02]}",
    )
    lists = ("model=b,a", "norm=batch,none", "seed=0,1,2")
    command = ("-m", *study, *lists)
    first = started(tmp_path, *command)
    wait_for(
        lambda: first.poll() is not None or len({path.parent for path in ended(tmp_path)}) >= 2,
        "two tuning runs ended",
    )
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.wait()
    assert not psutil.wait_procs(children, timeout=60)[1]
    tuned = ended(tmp_path)
    assert all("-s900-" in path.parent.name for path in tuned)

    again = completed(tmp_path, *command, timeout=1200)
    assert again.returncode == 0, again.stdout + again.stderr
    assert tuned.items() <= ended(tmp_path).items()
    names = [path.parent.name for path in tmp_path.glob("runs/*/result.json")]
    arms = ("a-bn", "a", "b-bn")  # the base is a with batch norm; b without it is no point
    assert sum("-s900-" in name for name in names) == 2 * len(arms)
    for seed in (0, 1, 2):
        nets = {name.partition(f"-s{seed}-")[0] for name in names if f"-s{seed}-" in name}
        assert nets == set(arms)
    folder = tmp_path / "studies" / "mine"
    assert [look_line(line).look for line in read_lines(folder / "looks.jsonl")] == [1, 2]
    assert "9 of 9 points finished" in (folder / "report.md").read_text()
