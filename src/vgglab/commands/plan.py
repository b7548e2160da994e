"""``task=plan``: what a study will take and what it can show, before anything starts."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from vgglab import machine
from vgglab.config import Config
from vgglab.launch.pool import PointResources
from vgglab.report import write_report
from vgglab.report.wording import plural
from vgglab.streams import plain_console
from vgglab.study import StudyView
from vgglab.study.claims.power import POWER
from vgglab.study.claims.wanted import shown_seeds
from vgglab.study.forecast import Measurement, PlannedPoint, Resolution, Totals, resolutions, totals
from vgglab.workflow.confound_check import refuse_confounds
from vgglab.workflow.gpus import card_bytes
from vgglab.workflow.looks import null_arm_to_come
from vgglab.workflow.output import Row, duration, print_rows
from vgglab.workflow.points import StudyPoint, slots_of, still_to_do
from vgglab.workflow.reporting import view_of
from vgglab.workflow.run_costs import KnownCosts, net_key, net_name
from vgglab.workflow.this_command import points_of_this_command
from vgglab.workflow.tuning import control_points, first_to_train, tuning_plan
from vgglab.workflow.useless_schedule import refuse_useless_schedules


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The numbers that ``task=plan`` prints."""

    study: str
    points: int
    done: int
    unneeded: int
    """Points that the study has dropped after a look."""
    seeds: tuple[int, ...]
    slots: PointResources
    waiting: tuple[PlannedPoint, ...]
    """Points that have no outcome yet."""
    total: Totals
    claims: tuple[Resolution, ...]
    notes: tuple[str, ...]


def plan(config: Config) -> None:
    """Estimate the study that the command names, and print; a pilot may take a minute.

    Raises:
        ConfigError: no study is named, or it would not be launched.
    """
    found = plan_study(points_of_this_command(), plain_console(stderr=True))
    print_rows(
        _net_rows(found), config.format, document=as_dict(found), tables=lambda: _parts(found)
    )


def plan_study(points: Sequence[StudyPoint], console: Console) -> Plan:
    """Measure what is not known of the nets of a study, and estimate the rest.

    Raises:
        ConfigError: points differ in what the study does not declare; it would not be launched.
    """
    overhead = machine.process_seconds()
    view = view_of(points)
    unneeded = view.unneeded
    refuse_confounds(points, unneeded)
    refuse_useless_schedules(p.config for p in first_to_train(points, unneeded))
    tuning = tuning_plan(points)
    tuned = tuning.all_points if tuning else ()
    every = [*tuned, *points, *null_arm_to_come(points, view), *control_points(points, tuning)]
    needed = still_to_do([point for point in every if point.directory.id not in unneeded])
    todo = [p for p in needed if not p.directory.read_status().state.is_outcome]
    done = sum(p.directory.read_status().state.is_outcome for p in points)
    first = points[0].config
    slots = slots_of([p.config for p in todo] or [first])
    nets: dict[str, list[StudyPoint]] = defaultdict(list)
    for point in todo:
        nets[net_key(point.config)].append(point)
    known = KnownCosts(slots)
    known.from_finished_runs(nets)
    known.from_pilots(nets, console)
    overhead += report_seconds(view)
    waiting = tuple(
        PlannedPoint(
            id=p.directory.id,
            net=net_name(p.config),
            epochs=p.config.recipe.epochs,
            measurement=known.by_net.get(net_key(p.config)),
        )
        for p in todo
    )
    total = totals(waiting, slots.jobs, overhead, slots.sharing)
    return Plan(
        study=first.study.name,
        points=len(points),
        done=done,
        unneeded=len(unneeded),
        seeds=tuple(sorted({p.config.seed for p in points})),
        slots=slots,
        waiting=waiting,
        total=total,
        claims=tuple(resolutions(view)),
        notes=(
            *known.notes,
            *data_notes(
                {
                    net_name(first.config): found
                    for key, (first, *_) in nets.items()
                    if hasattr(first.config.data, "decoder")  # others are in memory
                    and (found := known.by_net.get(key))
                }
            ),
            *card_notes(total, slots),
            *_test_note(len(needed) - len(todo)),
            *_look_note(view, todo),
            *_tuning_note(view),
        ),
    )


MUCH_WAITING = 20.0
"""Percent of a step that is waiting for image files, from which on a line says what ends it."""


def data_notes(nets: Mapping[str, Measurement]) -> Iterator[str]:
    """A line where steps wait for image files for long.

    Args:
        nets: what is known of each net that is trained on files.
    """
    found = {net: m.data_percent for net, m in nets.items() if m.data_percent is not None}
    if slow := [f"{net} {p:.0f}%" for net, p in found.items() if p >= MUCH_WAITING]:
        yield (
            f"of a step, waiting for image files: {'; '.join(slow)}; what reads them faster: a "
            "copy of smaller files (task=prepare, prepare.copy), or more processes "
            "(trainer.workers) where cores are free"
        )


def card_notes(total: Totals, slots: PointResources) -> Iterator[str]:
    """A line where the points that share a GPU need more memory than it has."""
    if total.card_mib is None or total.card_mib * 2**20 <= (card := card_bytes()):
        return
    yield (
        f"{total.card_mib / 1024:.1f} GiB on a GPU of {card / 2**30:.1f} GiB, points on it at a "
        f"time: {slots.sharing}; this does not fit: launcher.jobs={len(slots.gpus)} or fewer, "
        "trainer.accumulate=2 or micro_batch=auto"
    )


def _test_note(untested: int) -> list[str]:
    if not untested:
        return []
    return [f"{plural(untested, 'run')} of those done lack a test, which is made and not counted"]


def _look_note(view: StudyView, todo: Sequence[StudyPoint]) -> list[str]:
    if not (view.looks and todo):
        return []
    looks = ", ".join(map(str, view.looks))
    return [f"judged at {looks} seeds: it may stop by itself after any look; this is all of them"]


def _tuning_note(view: StudyView) -> list[str]:
    if view.tuning is None:
        return []
    runs = sum(len(candidate.errors) for candidate in view.tuning.candidates)
    text = f"{runs} of all runs tune the nets, on seeds of their own"
    if not view.tuning.is_complete:
        text += (
            "; a net that is not tuned to what is best over all is trained with that too "
            "(study.tuning_control), which is not counted yet"
        )
    return [text]


FIGURES_SECONDS = 3.0
"""Time for the figures that a report has once there are results; on one core, measured quiet."""


def report_seconds(view: StudyView) -> float:
    """Seconds that the report takes, measured by writing it as it stands to a temporary folder."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vgglab-plan-") as folder:
        write_report(view, Path(folder))
    has_figures = any(run.result for run in view.runs)
    return time.monotonic() - begun + (0 if has_figures else FIGURES_SECONDS)


def as_dict(plan: Plan) -> dict[str, Any]:
    """Plain containers for JSON; seconds, MiB, bytes and percentage points."""
    tree: dict[str, Any] = dataclasses.asdict(plan)
    for point, found in zip(plan.waiting, tree["waiting"], strict=True):
        found["seconds"] = point.seconds
    return tree


def _parts(plan: Plan) -> Iterator[RenderableType]:
    """The plan for a reader."""
    yield Text(_headline(plan))
    if plan.waiting:
        yield _nets_table(plan)
        yield Text(_totals_line(plan))
    if plan.claims:
        yield _claims_table(plan)
        yield Text(_how_to_read(plan))
    for note in plan.notes:
        yield Text(f"note: {note}")


def _headline(plan: Plan) -> str:
    seeds = ", ".join(map(str, plan.seeds))
    return (
        f"study {plan.study}: {plan.points} points, {plan.done} already done, "
        + (f"{plan.unneeded} not needed, " if plan.unneeded else "")
        + f"seeds {seeds}; {plan.slots.jobs} at a time, threads of each: {plan.slots.threads}"
        + (f", on each GPU: {plan.slots.sharing}" if plan.slots.sharing else "")
    )


def _net_rows(plan: Plan) -> list[Row]:
    """A row for the points of each net and length that are still to be trained; None: unknown."""
    groups: dict[tuple[str, int], list[PlannedPoint]] = defaultdict(list)
    for point in plan.waiting:
        groups[point.net, point.epochs].append(point)
    rows: list[Row] = []
    for (net, epochs), members in groups.items():
        found = members[0].measurement
        seconds = [s for member in members if (s := member.seconds) is not None]
        whole = sum(seconds) if len(seconds) == len(members) else None
        rows.append(
            {
                "net": net,
                "runs": len(members),
                "epochs": epochs,
                "seconds_each": whole / len(members) if whole is not None else None,
                "seconds_all": whole,
                "memory_mib": found.memory_mib if found else None,
                "card_mib": found.card_mib if found else None,
                "data_percent": found.data_percent if found else None,
                "disk_mib": found.disk_bytes / 2**20 if found and found.disk_bytes else None,
                "source": found.source if found else "unknown",
            }
        )
    return rows


def _nets_table(plan: Plan) -> Table:
    table = Table(title="what is still to be trained", title_justify="left")
    table.add_column("net", no_wrap=True)
    cards = ("a GPU's",) if plan.slots.sharing else ()
    for name in ("runs", "epochs", "each", "all", "for data", "memory", *cards, "disk"):
        table.add_column(name, justify="right")
    table.add_column("from")
    for row in _net_rows(plan):
        table.add_row(
            row["net"],
            str(row["runs"]),
            str(row["epochs"]),
            duration(row["seconds_each"]),
            duration(row["seconds_all"]),
            "unknown" if (percent := row["data_percent"]) is None else f"{percent:.0f}%",
            mebibytes(row["memory_mib"]),
            *([mebibytes(row["card_mib"])] if cards else []),
            mebibytes(row["disk_mib"]),
            row["source"],
        )
    return table


def _totals_line(plan: Plan) -> str:
    total = plan.total
    disk = total.disk_bytes / 2**20 if total.disk_bytes is not None else None
    card = f", a GPU's {mebibytes(total.card_mib)}" if plan.slots.sharing else ""
    return (
        f"whole study: {duration(total.seconds)} ({duration(total.compute_seconds)} one after the "
        f"other), peak memory {mebibytes(total.memory_mib)}{card}, disk {mebibytes(disk)}"
    )


def _claims_table(plan: Plan) -> Table:
    table = Table(title="what the claims can show", title_justify="left")
    table.add_column("claim")
    for name in ("seeds", "wanted", "detectable"):
        table.add_column(name, justify="right")
    table.add_column("noise from")
    for claim in plan.claims:
        setting = ", ".join(f"{k}={v}" for k, v in claim.setting.items())
        table.add_row(
            f"{claim.claim} ({setting})" if setting else claim.claim,
            str(claim.seeds),
            "" if claim.wanted is None else shown_seeds(claim.wanted),
            _detectable(claim),
            f"{claim.noise_of}, {claim.pairs} seeds" if claim.noise_of else "no seeds yet",
        )
    return table


def _detectable(claim: Resolution) -> str:
    if claim.detectable is not None:
        return f"{claim.detectable:.2f}"
    return "none" if claim.noise else "unknown"


def _how_to_read(plan: Plan) -> str:
    return (
        "Wanted: the seeds that a claim without its word takes, as its report says, if the "
        "difference is what was found so far. Detectable: the smallest true difference beyond the "
        f"margin, percentage points, that so many seeds show with a chance of {POWER:.0%}, "
        f"corrected for {len(plan.claims)} claims and for looks; a smaller one is shown less "
        "often, none hardly ever. Where a claim takes several differences, each is taken to be "
        "that large; of a falling error it is the fall of the fitted line, of which every step has "
        "its share. The chance is that all are shown. None: these seeds show no difference, "
        "however large. Noise is known once two seeds of every side have finished: train those "
        "first, then plan again."
    )


def mebibytes(value: float | None) -> str:
    """``750 MiB``, ``1.6 GiB``; ``unknown`` for None."""
    if value is None:
        return "unknown"
    return f"{value:.0f} MiB" if value < 1024 else f"{value / 1024:.1f} GiB"
