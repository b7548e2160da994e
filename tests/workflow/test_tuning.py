"""The tuning runs of a study, and its points once these have ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from vgglab.config.parse import ConfigError
from vgglab.runs import State, Status, write_result
from vgglab.study import Declaration
from vgglab.workflow.compose import files_read_once
from vgglab.workflow.confound_check import guard_study
from vgglab.workflow.designs import combined, listed
from vgglab.workflow.looks import next_points
from vgglab.workflow.points import StudyPoint, compose_points
from vgglab.workflow.provenance import write_config
from vgglab.workflow.reporting import view_of, write_study_report
from vgglab.workflow.tuning import (
    control_points,
    refuse_wrong_tuning,
    tuning_plan,
    with_chosen,
)

TUNED = ("study.tune={recipe.learning_rate:[0.02,0.05]}", "study.tuning_seeds=[900,901]")
STUDY = (
    "trainer.accelerator=cpu", "trainer.precision=fp32", "trainer.threads=1", "tracking=off",
    "study.name=tuned", *TUNED,
)  # fmt: skip


pytestmark = pytest.mark.usefixtures("inside_hydra")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def points_of(*overrides: str) -> list[StudyPoint]:
    grid = combined(listed(overrides or ("model=a,b", "seed=0,1")))
    return compose_points([[*STUDY, *point] for point in grid])


def end(point: StudyPoint, error: float, state: State = State.FINISHED) -> None:
    """Give a point an outcome with this validation error."""
    point.directory.path.mkdir(parents=True)
    write_config(point.directory, point.config)
    write_result(
        point.directory,
        {"validation": {"best_top1_error": error, "best_epoch": 1, "last_top1_error": error}},
    )
    Status(state=state).write(point.directory.status)


def end_tuning(points: list[StudyPoint], best: dict[str, float]) -> None:
    """End the tuning runs: each net is best at its rate."""
    plan = tuning_plan(points)
    assert plan is not None
    for point in plan.all_points:
        at_best = point.config.recipe.learning_rate == best[point.config.model.name]
        end(point, 5.0 if at_best else 6.0)


def rates(points: list[StudyPoint]) -> list[tuple[str, int, float]]:
    return [(p.config.model.name, p.config.seed, p.config.recipe.learning_rate) for p in points]


@pytest.mark.slow
@pytest.mark.parametrize(
    "made_of_it",
    [
        "recipe.label_smoothing=${recipe.learning_rate}",
        "data.split_seed=${seed}",
        "recipe.label_smoothing=${oc.select:recipe.learning_rate,0.5}",
    ],
)
def test_what_is_made_of_a_tuned_field_or_a_seed_follows_it(made_of_it: str) -> None:
    points = points_of("model=a", "seed=0", made_of_it)
    end_tuning(points, {"a": 0.05})
    plan = tuning_plan(points)
    assert plan is not None
    found = [*plan.all_points, *with_chosen(points), *control_points(points)]
    with files_read_once():
        for point in found:
            # The process that trains it composes its overrides.
            (composed,) = compose_points([point.point.overrides])
            assert composed.directory.id == point.directory.id


def test_every_net_gets_the_same_tuning_runs() -> None:
    points = points_of()
    plan = tuning_plan(points)
    assert plan is not None
    wanted = [(m, s, r) for m in "ab" for r in (0.02, 0.05) for s in (900, 901)]
    assert rates(plan.all_points) == wanted
    assert "recipe.learning_rate=0.05" in plan.all_points[-1].point.overrides
    assert plan.all_points[-1].point.overrides[-1] == "seed=901"
    # The process that trains it composes its overrides; it comes to the same run.
    composed = compose_points([plan.all_points[-1].point.overrides])
    assert composed[0].directory.id == plan.all_points[-1].directory.id


@pytest.mark.slow
def test_the_points_stay_until_the_last_tuning_run_has_ended() -> None:
    points = points_of()
    plan = tuning_plan(points)
    assert plan is not None
    for point in plan.all_points[:-1]:
        end(point, 5.0)
    assert with_chosen(points) == points
    assert control_points(points) == []


@pytest.mark.slow
def test_each_net_is_trained_with_its_own_setting_and_with_the_common_one() -> None:
    points = points_of()
    end_tuning(points, {"a": 0.02, "b": 0.05})
    tuned = with_chosen(points)
    assert rates(tuned) == [("a", 0, 0.02), ("a", 1, 0.02), ("b", 0, 0.05), ("b", 1, 0.05)]
    # Equal in total: the first of the settings is the common one.
    control = control_points(tuned)
    assert [rate for _, _, rate in rates(control)] == [0.02] * 4
    wanted = next_points(tuned, view_of(tuned), control=control)
    assert rates(wanted) == [*rates(tuned), ("b", 0, 0.02), ("b", 1, 0.02)]
    assert control_points(points_of("model=b", "seed=0", "study.tuning_control=false")) == []


def test_a_net_that_does_not_train_counts_as_guessing() -> None:
    points = points_of("model=a", "seed=0,1")
    plan = tuning_plan(points)
    assert plan is not None
    for point in plan.all_points:
        slow = point.config.recipe.learning_rate == 0.02
        end(point, 89.0 if slow else 1.0, State.FINISHED if slow else State.DIVERGED)
    errors = [candidate.error for candidate in plan.tuning().candidates]
    assert errors == [89.0, 90.0]  # ten classes


def test_the_rate_is_declared_as_tuned() -> None:
    points = points_of()
    end_tuning(points, {"a": 0.02, "b": 0.05})
    (found,) = [
        d for d in guard_study(with_chosen(points)).differences if d.field.startswith("recipe.")
    ]
    assert (found.field, found.declaration) == ("recipe.learning_rate", Declaration.NUISANCE)


def test_the_page_says_what_was_chosen() -> None:
    points = points_of()
    end_tuning(points, {"a": 0.02, "b": 0.05})
    write_study_report(with_chosen(points))
    page = Path("studies/tuned/report.md").read_text()
    assert "8 runs. The study then trains each net" in page
    assert "| A | 5.00 \\* | 6.00 |" in page
    assert "| B | 6.00 | 5.00 \\* |" in page
    assert "so that a better one may lie beyond: recipe.learning_rate of A, B." in page


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("recipe.learning_rate=0.1,0.2",), "the grid varies it as well"),
        (("seed=0,900",), "seed 900 is one of the grid; a net is tuned on seeds of its own"),
        (("study.tune={recipe.rate:[1,2]}",), "study.tune = recipe.rate: no such field of a run"),
        (
            ("study.tune={recipe.batch_size:[32,64]}", "trainer.accumulate=2"),
            "study.tune = recipe.batch_size: the parts of a step would differ",
        ),
    ],
)
def test_a_wrong_tuning_is_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        refuse_wrong_tuning(points_of("model=a", *overrides))


def test_a_value_that_is_not_allowed_is_refused() -> None:
    points = points_of("model=a", "study.tune={recipe.learning_rate:[0.1,-1]}")
    with pytest.raises(ConfigError, match=r"recipe\.learning_rate = -1: must be greater than 0"):
        tuning_plan(points)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("study.tune={recipe.epochs:[3]}", "two or more values, each once"),
        ("study.tune={recipe.epochs:[3,3]}", "two or more values, each once"),
        ("study.tune={model.width:[0.5,1]}", "must be a field of the recipe"),
        ("study.tuning_seeds=[1,1]", r"study.tuning_seeds = \[1, 1\]: must be one or more seeds"),
    ],
)
def test_a_malformed_tuning_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        points_of("model=a", override)
