"""Which runs a study is made of: more than its points."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from vgglab.runs import State, Status, write_result
from vgglab.study import MissingPoint, StudyView
from vgglab.workflow.designs import combined, listed
from vgglab.workflow.looks import null_arm
from vgglab.workflow.points import StudyPoint, compose_points
from vgglab.workflow.pretraining import mark_pending, stages_of
from vgglab.workflow.study_runs import runs_of_study
from vgglab.workflow.tuning import tuning_plan

pytestmark = pytest.mark.usefixtures("inside_hydra")
FIELDS = (
    "trainer.accelerator=cpu", "trainer.precision=fp32", "trainer.threads=1", "tracking=off",
    "study.name=whole",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _in_an_empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def points_of(*overrides: str) -> list[StudyPoint]:
    return compose_points([[*FIELDS, *point] for point in combined(listed(overrides))])


def seen(points: list[StudyPoint]) -> StudyView:
    """As they are before anything is trained."""
    missing = [MissingPoint(point.directory.id, point.config) for point in points]
    return StudyView(name="whole", asks="", paper="", runs=(), missing=missing, claims={})


def test_what_is_trained_beside_the_points_is_of_the_study_once_it_has_begun() -> None:
    points = points_of(
        "model=d", "seed=0,1", "init=pretrained_a", "study.placebo=true",
        "study.tune={recipe.learning_rate:[0.02,0.05]}", "study.tuning_seeds=[900]",
    )  # fmt: skip
    view, plan = seen(points), tuning_plan(points)
    assert plan is not None
    # Its own points are waited for, the others not: who knows whether they will be needed.
    assert runs_of_study(points, view) == [point.directory for point in points]
    others = [*null_arm(points, view), *plan.all_points]
    assert len(others) == 4
    begun = [stage for point in (*points, *others) for stage in stages_of(point.config)]
    for stage in begun:
        mark_pending(stage)
    found = runs_of_study(points, view)
    assert len(found) == len({run.id for run in found})
    assert {run.id for run in found} == {stage.directory.id for stage in begun}
    assert sum(run.id.startswith("a-") for run in found) == 6  # each starts from its own


def test_a_control_run_is_of_the_study() -> None:
    tune = ("study.tune={recipe.learning_rate:[0.02,0.05]}", "study.tuning_seeds=[900]")
    points = points_of("model=a", "seed=0", "recipe.learning_rate=0.03", *tune)
    view, plan = seen(points), tuning_plan(points)
    assert plan is not None
    for point, error in zip(plan.all_points, (5.0, 6.0), strict=True):
        Status(state=State.FINISHED).write(point.directory.status)
        write_result(point.directory, {"validation": {"best_top1_error": error}})
    control = points_of("model=a", "seed=0", "recipe.learning_rate=0.02", *tune)
    mark_pending(control[0].stage)
    assert control[0].directory in runs_of_study(points, view)


def test_a_point_that_a_look_has_dropped_is_not_waited_for() -> None:
    points = points_of("model=a", "seed=0,1")
    view = seen(points)
    dropped = dataclasses.replace(view.missing[1], is_needed=False)
    view = dataclasses.replace(view, missing=[view.missing[0], dropped])
    mark_pending(points[1].stage)  # it waited for its turn when the look came
    assert runs_of_study(points, view) == [points[0].directory]
