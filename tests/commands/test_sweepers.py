"""A sweeper that is not Hydra's own is told the error of each point that it chooses."""

from __future__ import annotations

import json
import os
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT, SMALL, completed, stamps

from vgglab.runs.metrics import read_metrics

POINTS = (
    *(o for o in SMALL if not o.startswith(("recipe.epochs", "recipe.learning_rate"))),
    "recipe.epochs=1",
    "study.name=chosen",
    "launcher.jobs=2",
)
GUESSING = 100 * (1 - 1 / 6)


def asked(
    folder: Path,
    datasets: Path,
    first: list[str],
    then: list[str],
    *more: str,
    variables: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """A sweep by the sweeper in ``tests/sweepers``."""
    path = f"{ROOT / 'tests' / 'sweepers'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return completed(
        folder,
        "-m",
        "hydra/sweeper=asking",
        *(
            f"hydra.sweeper.{name}={json.dumps(points)}"
            for name, points in (("first", first), ("then", then))
        ),
        f"paths.data={datasets}",
        *POINTS,
        *more,
        variables={"PYTHONPATH": path, **(variables or {})},
    )


def told(folder: Path) -> list[Any]:
    """What the sweeper was told, point by point."""
    found: list[Any] = json.loads((folder / "studies" / "chosen" / "told.json").read_text())
    return found


def lowest_errors(folder: Path) -> dict[float, float]:
    """Learning rate -> the lowest validation error in the records of its run, percent."""
    return {
        yaml.safe_load((run / "config.yaml").read_text())["recipe"]["learning_rate"]: min(
            (
                r["validation/top1_error"]
                for r in read_metrics(run / "metrics.jsonl")
                if "validation/top1_error" in r
            ),
            default=GUESSING,
        )
        for run in (folder / "runs").iterdir()
    }


@pytest.mark.slow
def test_the_next_point_follows_from_the_errors_of_the_last(tmp_path: Path, datasets: Path) -> None:
    rates = ["recipe.learning_rate=0.02", "recipe.learning_rate=90 norm=none"]
    then = ["recipe.learning_rate=0.01", "recipe.batch_size=1"]
    ended = asked(tmp_path, datasets, [rates[1], *rates, rates[0]], then)
    good, bad, again, refused = (told(tmp_path)[i] for i in (1, 0, 4, 5))
    errors = lowest_errors(tmp_path)
    assert [point[0] for point in told(tmp_path)] == ["COMPLETED"] * 5 + ["FAILED"]
    # The duplicates are told the same, and each run trained once.
    assert told(tmp_path)[2][1] == bad[1] == pytest.approx(GUESSING)
    assert told(tmp_path)[3][1] == good[1] == errors[0.02] < GUESSING
    assert len(errors) == 3
    # The next point is the best one with another rate: it has its batch norm.
    assert "norm=none" not in again[2]
    assert again[2][-2:] == ["recipe.learning_rate=0.02", "recipe.learning_rate=0.01"]
    assert again[1] == errors[0.01]
    # The sweeper went on without the point that cannot be; the exit code tells of it.
    assert "recipe.batch_size = 1" in refused[1]
    assert "a point is refused: recipe.batch_size = 1" in ended.stdout
    assert ended.returncode == 1, ended.stdout + ended.stderr


@pytest.mark.slow
def test_a_point_that_fails_is_told_as_such_until_it_is_mended(
    tmp_path: Path, datasets: Path
) -> None:
    rates = ["recipe.learning_rate=0.02", "recipe.learning_rate=0.01"]
    first = asked(tmp_path, datasets, rates, [])
    assert first.returncode == 0, first.stdout + first.stderr
    kept, broken = (
        next(p.parent for p in tmp_path.glob("runs/*/config.yaml") if rate in p.read_text())
        for rate in ("learning_rate: 0.02", "learning_rate: 0.01")
    )
    for name in ("status.json", "result.json", "predictions/center.parquet"):
        (broken / name).unlink()
    (broken / "predictions").rmdir()
    (broken / "predictions").write_text("a file where a folder must be")
    before = told(tmp_path)
    untouched = {path: time for path, time in stamps(tmp_path).items() if kept in path.parents}

    ended = asked(tmp_path, datasets, rates, [])
    assert ended.returncode == 1
    assert "chose 2 points, 1 already done" in ended.stdout
    well, failed = told(tmp_path)
    assert well == before[0]
    assert failed[0] == "FAILED"
    assert failed[1].startswith(f"{broken.name}: failed: ")
    assert untouched.items() <= stamps(tmp_path).items()

    (broken / "predictions").unlink()
    # Asked for twice by one command, and broken for neither.
    mended = asked(tmp_path, datasets, rates, ["recipe.learning_rate=0.01"])
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert told(tmp_path)[:2] == before


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_a_signal_between_two_batches_ends_it_as_one_within(
    number: str, tmp_path: Path, datasets: Path
) -> None:
    points = (["recipe.learning_rate=0.02"], ["recipe.learning_rate=0.01"])
    stopped = asked(tmp_path, datasets, *points, variables={"STOPPED": number})
    assert stopped.returncode == 130, stopped.stderr
    assert stopped.stderr.splitlines() == [
        f"{number}: stopping",
        "error: interrupted; the same command goes on from here",
    ]
    before = stamps(tmp_path)
    again = asked(tmp_path, datasets, *points)
    assert again.returncode == 0, again.stdout + again.stderr
    assert again.stdout.count("1 already done") == 1
    assert before.items() <= stamps(tmp_path).items()
    assert len(told(tmp_path)) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "complaint"),
    [
        (("study.looks=[2,3]",), "study.looks = [2, 3]"),
        (("study.placebo=true",), "study.placebo = true"),
        # Of its GPUs SLURM is not asked: it is installed, and does not run, where this is tested.
        (("launcher=slurm", "launcher.wait=false", "trainer=cpu"), "launcher.wait = false"),
    ],
    ids=["looks", "placebo", "wait"],
)
def test_what_only_a_study_has_is_refused(
    tmp_path: Path, datasets: Path, question: tuple[str, ...], complaint: str
) -> None:
    ended = asked(tmp_path, datasets, ["seed=0"], [], *question)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {complaint}: hydra/sweeper=asking chooses each point")
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("hydra_plugins.hydra_optuna_sweeper") is None,
    reason="needs hydra-optuna-sweeper: pip install --editable '.[optuna]'",
)
def test_optuna_minimises_the_validation_error(tmp_path: Path, datasets: Path) -> None:
    ended = completed(
        tmp_path,
        "-m",
        "hydra/sweeper=optuna",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.n_jobs=2",
        "hydra.sweeper.sampler.seed=0",
        f"paths.data={datasets}",
        *POINTS,
        "model=choice(a,b)",
        "recipe.learning_rate=tag(log, interval(0.001, 0.1))",
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = yaml.safe_load(
        (tmp_path / "studies" / "chosen" / "optimization_results.yaml").read_text()
    )
    errors = lowest_errors(tmp_path)
    assert len(errors) == 3
    assert found["best_value"] == min(errors.values())
    assert errors[found["best_params"]["recipe.learning_rate"]] == found["best_value"]
