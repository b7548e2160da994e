"""``task=plan``: what a study will take and what it can show, before anything starts."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from vgglab import machine
from vgglab.config.parse import ConfigError
from vgglab.launch.pool import Slots
from vgglab.report import write_report
from vgglab.study import StudyView
from vgglab.study.claims.power import POWER
from vgglab.study.forecast import PlannedPoint, Resolution, Totals, resolutions, totals
from vgglab.workflow.confound_check import refuse_confounds
from vgglab.workflow.points import StudyPoint, slots_of, still_to_do, view_of
from vgglab.workflow.run_costs import Known, net_key, net_name


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that ``task=plan`` prints."""

    study: str
    points: int
    done: int
    seeds: tuple[int, ...]
    slots: Slots
    waiting: tuple[PlannedPoint, ...]
    """Points that have no outcome yet."""
    total: Totals
    claims: tuple[Resolution, ...]
    notes: tuple[str, ...]


def plan_study(points: Sequence[StudyPoint], root: Path, console: Console) -> Plan:
    """Measure what is not known of the nets of a study, and reckon.

    Raises:
        ConfigError: points differ in what the study does not declare; it would not be launched.
    """
    refuse_confounds(points)
    overhead = machine.process_seconds()
    todo = [p for p in still_to_do(points) if not p.directory.read_status().state.is_outcome]
    done = sum(p.directory.read_status().state.is_outcome for p in points)
    first = points[0].config
    slots = slots_of(first, max(1, len(todo)))
    nets: dict[str, list[StudyPoint]] = defaultdict(list)
    for point in todo:
        nets[net_key(point.config)].append(point)
    known = Known(slots, root)
    known.from_finished_runs(nets)
    known.from_pilots(nets, console)
    view = view_of(points)
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
    return Plan(
        study=first.study.name,
        points=len(points),
        done=done,
        seeds=tuple(sorted({p.config.seed for p in points})),
        slots=slots,
        waiting=waiting,
        total=totals(waiting, slots.jobs, overhead),
        claims=tuple(resolutions(view)),
        notes=tuple(known.notes),
    )


FIGURES_SECONDS = 3.0
"""Of the figures that a report has once there are results; on one core of a quiet machine."""


def report_seconds(view: StudyView) -> float:
    """What the report takes: as it stands, written to a folder that nobody keeps."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="vgglab-plan-") as folder:
        write_report(view, Path(folder))
    has_figures = any(run.result for run in view.runs)
    return time.monotonic() - begun + (0 if has_figures else FIGURES_SECONDS)


def print_plan(
    points: Sequence[StudyPoint], root: Path, spelling: Literal["table", "json", "csv"]
) -> None:
    """Reckon and print; a pilot may take a minute.

    Raises:
        ConfigError: ``format=csv``; or the study would not be launched.
    """
    if spelling == "csv":
        raise ConfigError("format = csv: task=plan prints table or json")
    plan = plan_study(points, root, Console(stderr=True))
    if spelling == "json":
        print(json.dumps(as_dict(plan)))
        return
    console = Console(soft_wrap=not sys.stdout.isatty())
    console.print(_headline(plan), markup=False, highlight=False)
    if plan.waiting:
        console.print(_nets_table(plan))
        console.print(_totals_line(plan), markup=False, highlight=False)
    if plan.claims:
        console.print(_claims_table(plan))
        console.print(_how_to_read(plan), markup=False, highlight=False)
    for note in plan.notes:
        console.print(f"note: {note}", markup=False, highlight=False)


def as_dict(plan: Plan) -> dict[str, Any]:
    """Plain containers for JSON; seconds, MiB, bytes and percentage points."""
    tree: dict[str, Any] = dataclasses.asdict(plan)
    for point, found in zip(plan.waiting, tree["waiting"], strict=True):
        found["seconds"] = point.seconds
    return tree


def _headline(plan: Plan) -> str:
    seeds = ", ".join(map(str, plan.seeds))
    return (
        f"study {plan.study}: {plan.points} points, {plan.done} already done, seeds {seeds}; "
        f"{plan.slots.jobs} at a time, threads of each: {plan.slots.threads}"
    )


def _nets_table(plan: Plan) -> Table:
    table = Table(title="what is still to be trained", title_justify="left")
    table.add_column("net", no_wrap=True)
    for name in ("runs", "epochs", "each", "all", "memory", "disk"):
        table.add_column(name, justify="right")
    table.add_column("from")
    groups: dict[tuple[str, int], list[PlannedPoint]] = defaultdict(list)
    for point in plan.waiting:
        groups[point.net, point.epochs].append(point)
    for (net, epochs), members in groups.items():
        found = members[0].measurement
        seconds = [s for member in members if (s := member.seconds) is not None]
        whole = sum(seconds) if len(seconds) == len(members) else None
        table.add_row(
            net,
            str(len(members)),
            str(epochs),
            duration(whole / len(members) if whole is not None else None),
            duration(whole),
            mebibytes(found.memory_mib if found else None),
            mebibytes(found.disk_bytes / 2**20 if found and found.disk_bytes else None),
            found.source if found else "unknown",
        )
    return table


def _totals_line(plan: Plan) -> str:
    total = plan.total
    disk = total.disk_bytes / 2**20 if total.disk_bytes is not None else None
    return (
        f"whole study: {duration(total.seconds)} ({duration(total.compute_seconds)} one after the "
        f"other), peak memory {mebibytes(total.memory_mib)}, disk {mebibytes(disk)}"
    )


def _claims_table(plan: Plan) -> Table:
    table = Table(title="what the claims can show", title_justify="left")
    table.add_column("claim")
    for name in ("seeds", "detectable", "to show", "needs seeds"):
        table.add_column(name, justify="right")
    table.add_column("noise from")
    for claim in plan.claims:
        setting = ", ".join(f"{k}={v}" for k, v in claim.setting.items())
        target = f"{claim.target:.2f}, {claim.target_is}" if claim.target is not None else "-"
        table.add_row(
            f"{claim.claim} ({setting})" if setting else claim.claim,
            str(claim.seeds),
            "unknown" if claim.detectable is None else f"{claim.detectable:.2f}",
            target,
            _needed(claim),
            f"{claim.noise_of}, {claim.pairs} pairs" if claim.noise_of else "no pairs yet",
        )
    return table


def _needed(claim: Resolution) -> str:
    if claim.noise is None or claim.target is None:
        return "unknown"
    return str(claim.seeds_needed) if claim.seeds_needed else "over 1000"


def _how_to_read(plan: Plan) -> str:
    return (
        "Percentage points. Detectable: the smallest true difference that so many seeds show with "
        f"a chance of {POWER:.0%}, corrected for {len(plan.claims)} claims. Noise is known once "
        "two seeds of every side have finished: train those first, then plan again. Over 1000 "
        "seeds: the test images are too few."
    )


def duration(seconds: float | None) -> str:
    """``48 s``, ``12 min``, ``3.5 h``, ``2.1 days``; ``unknown`` for None."""
    if seconds is None:
        return "unknown"
    if seconds < 120:
        return f"{seconds:.0f} s"
    for size, unit in ((60.0, "min"), (3600.0, "h"), (86_400.0, "days")):
        if seconds < 120 * size or unit == "days":
            return f"{seconds / size:.{1 if seconds < 10 * size else 0}f} {unit}"
    raise AssertionError("unreachable")


def mebibytes(value: float | None) -> str:
    """``750 MiB``, ``1.6 GiB``; ``unknown`` for None."""
    if value is None:
        return "unknown"
    return f"{value:.0f} MiB" if value < 1024 else f"{value / 1024:.1f} GiB"
