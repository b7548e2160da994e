"""The runs that a study is made of: its points, and what is trained for it beside them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from vgglab.runs import RunDirectory
from vgglab.study import StudyView
from vgglab.workflow.looks import null_arm
from vgglab.workflow.points import StudyPoint
from vgglab.workflow.pretraining import stages_of
from vgglab.workflow.tuning import control_points, tuning_plan


def runs_of_study(points: Sequence[StudyPoint], view: StudyView) -> list[RunDirectory]:
    """The points that a study has not dropped; and of its null arm, its tuning and control runs and
    all that any of these starts from, those that have begun or wait for their turn.

    Args:
        points: of the study.
        view: the same, from ``view_of``.

    Returns:
        Each once, in the order of the points and the others, after what it starts from.
    """
    plan = tuning_plan(points)
    others = chain(
        null_arm(points, view), plan.all_points if plan else (), control_points(points, plan)
    )
    stages = chain.from_iterable(stages_of(point.config) for point in (*points, *others))
    every = {stage.directory.id: stage.directory for stage in stages}
    own = {point.directory.id for point in points}
    return [
        run
        for name, run in every.items()
        if name not in view.unneeded and (name in own or run.status.exists())
    ]
