"""``python run.py -m ...``: a study, from what is missing of it to its report.

No task of its own: Hydra's launcher calls it with the points of the sweep.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from vgglab.report.tuning import tuning_lines
from vgglab.report.wording import plural
from vgglab.signals import raise_on_stop
from vgglab.streams import plain_console
from vgglab.study import StudyView
from vgglab.study.stored import write_study
from vgglab.tracking.local_files import waits_for_upload
from vgglab.workflow.confound_check import refuse_confounds
from vgglab.workflow.look_screen import LookScreen
from vgglab.workflow.looks import declare, next_points, note_looks, null_arm
from vgglab.workflow.places import refuse_files_of_runs, refuse_unwritable_points
from vgglab.workflow.points import StudyPoint
from vgglab.workflow.reporting import view_of, write_study_report
from vgglab.workflow.study_runs import runs_of_study
from vgglab.workflow.train_points import LeftToSlurm, finish, say, say_what_is_missing
from vgglab.workflow.tuning import (
    control_points,
    first_to_train,
    tuned_points,
    tuning_plan,
    with_chosen,
)
from vgglab.workflow.useless_schedule import refuse_useless_schedules


@raise_on_stop("stopping")  # while points run, theirs says more
def run_study(grid: Sequence[Sequence[str]], slurm: Mapping[str, Any] | None = None) -> int:
    """Train what is missing of a study, look by look where it declares looks; write its report.

    Args:
        grid: the overrides of each point.
        slurm: options of the job array by which SLURM trains it; None: this machine does.

    Returns:
        The exit code. 0: every point that the study needs has an outcome. 1: some failed or were
        interrupted; the same command goes on with them.

    Raises:
        ConfigError: a point is wrong, points differ in what the study does not declare, a part of
            a schedule would do nothing, there are no such GPUs, or nothing can be written where
            its runs or its data are to be.
        KeyboardInterrupt: a signal asked to stop.
    """
    console = plain_console()
    points = tuned_points(grid)
    view = view_of(points)
    refuse_confounds(points, view.unneeded)
    refuse_useless_schedules(p.config for p in first_to_train(points, view.unneeded))
    refuse_unwritable_points(p.config for p in points if not p.is_done)
    refuse_files_of_runs(p.directory for p in points)
    first = points[0].config
    done = sum(point.is_done for point in points)
    say(console, f"study {first.study.name}: {len(points)} points, {done} already done")
    declare(view, first.study_folder)  # before anything trains
    trained = None
    try:
        failures = _tune(points, console, slurm)
        if not failures:
            points = with_chosen(points)
            trained, failures = _train_looks(points, console, slurm)
    except LeftToSlurm:
        return 0
    findings = write_study_report(points, trained)
    say_what_is_missing(failures, console)
    if first.tracking.mode == "online":
        runs = runs_of_study(points, trained or view)
        waiting = sum(waits_for_upload(run.path) for run in runs)
        if waiting:
            say(console, f"W&B has not all of {waiting} runs: task=sync uploads them")
    for line in findings:
        say(console, line)
    return 1 if failures else 0


def _tune(
    points: Sequence[StudyPoint], console: Console, slurm: Mapping[str, Any] | None
) -> list[StudyPoint]:
    """Train the tuning runs of a study.

    Returns:
        Those that failed; they leave the study without its settings.
    """
    plan = tuning_plan(points)
    if plan is None:
        return []
    runs = plan.all_points
    while todo := [p for p in runs if not p.is_done]:
        say(console, f"tuning: {len(todo)} of {plural(len(runs), 'run')} to train")
        if failures := finish(todo, console, slurm):
            return failures
    return []


def _train_looks(
    points: Sequence[StudyPoint], console: Console, slurm: Mapping[str, Any] | None
) -> tuple[StudyView, list[StudyPoint]]:
    """Say what the nets were tuned to; train what a study wants, until it wants no more.

    Returns:
        The study as it then is, and points that failed; none: it has all that it needs.
    """
    folder, view = points[0].config.study_folder, view_of(points)
    write_study(view, folder)  # its points as they are tuned
    for line in tuning_lines(view):
        say(console, line)
    null, control = null_arm(points, view), control_points(points)
    told = LookScreen(functools.partial(say, console))
    failures: list[StudyPoint] = []
    while not failures:
        view = note_looks(view, folder)
        chosen = next_points(points, view, null=null, control=control)
        told.show(view, {p.directory.id for p in chosen})
        if not chosen:
            break
        failures = finish(chosen, console, slurm)
        view = view_of(points)
    return view, failures
