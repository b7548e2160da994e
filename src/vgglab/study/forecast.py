"""Estimates of ``task=plan`` before a study starts: its time, memory, disk and power."""

from __future__ import annotations

import heapq
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vgglab.study.claims.comparisons import Comparison, comparisons
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.power import POWER, Noise, Part, detectable, detectable_by_all
from vgglab.study.claims.verdict import Judgement, judge
from vgglab.study.claims.wanted import seeds_wanted
from vgglab.study.view import StudyView

TURNAROUND_SECONDS = 0.25
"""From the end of a point to the start of the next in its place, on average: half a poll."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Cost of a run of one net, with as many threads and neighbours as it will have."""

    fixed_seconds: float
    """Start, test and end of a run: all but its epochs."""
    epoch_seconds: float
    memory_mib: float | None
    """Peak of a run, of the machine's memory."""
    card_mib: float | None = None
    """Peak of a run, of each of its GPUs; None without one."""
    disk_bytes: int | None
    """Size of a run's folder when it is done."""
    data_percent: float | None = None
    """How much of a step is waiting for data; None: not known."""
    source: str
    """``3 finished runs``, ``pilot`` or ``arithmetic``."""

    def seconds(self, epochs: int) -> float:
        """Duration of a run of this many epochs."""
        return self.fixed_seconds + epochs * self.epoch_seconds


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Durations of a net's first steps and what is around them, seconds."""

    start: float
    """From the start of the process to the first step."""
    step: float
    tail: float | None
    """From an epoch's last step to its record: validation; None where no epoch was seen."""
    end: float
    """From the request to stop to the end of the process, with its checkpoint."""
    memory_mib: float | None
    disk_bytes: int | None
    source: str
    card_mib: float | None = None
    data_percent: float | None = None


@dataclass(frozen=True, kw_only=True)
class Work:
    """Amount of work in a run of a net."""

    train_images: int
    """Images of an epoch."""
    batch_size: int
    validation_images: int
    test_forwards: int
    """Images of the test split times the forwards that each takes."""

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return math.ceil(self.train_images / self.batch_size)


BACKWARD = 2.0
"""Cost of a backward pass in forward passes: gradients of inputs and of weights."""


def measurement(timing: Timing, work: Work) -> Measurement:
    """Estimate what a whole run takes from its first steps."""
    if timing.tail is not None:
        forward = timing.tail / work.validation_images
    else:
        forward = timing.step / work.batch_size / (1 + BACKWARD)
    return Measurement(
        fixed_seconds=timing.start + work.test_forwards * forward + timing.end,
        epoch_seconds=work.steps * timing.step + work.validation_images * forward,
        memory_mib=timing.memory_mib,
        card_mib=timing.card_mib,
        disk_bytes=timing.disk_bytes,
        data_percent=timing.data_percent,
        source=timing.source,
    )


@dataclass(frozen=True, kw_only=True)
class DoneRun:
    """A finished run: what it took."""

    seconds: float
    """Duration of all its attempts together."""
    train_seconds: float
    """Duration of its epochs together."""
    epochs: int
    memory_mib: float | None
    disk_bytes: int | None
    card_mib: float | None = None
    data_percent: float | None = None


def from_runs(runs: Sequence[DoneRun]) -> Measurement:
    """Estimate what a run takes from finished ones: their means, and the peak of their memory."""
    memory = [r.memory_mib for r in runs if r.memory_mib is not None]
    card = [r.card_mib for r in runs if r.card_mib is not None]
    disk = [r.disk_bytes for r in runs if r.disk_bytes is not None]
    waits = [r.data_percent for r in runs if r.data_percent is not None]
    return Measurement(
        fixed_seconds=statistics.fmean(r.seconds - r.train_seconds for r in runs),
        epoch_seconds=statistics.fmean(r.train_seconds / r.epochs for r in runs),
        memory_mib=max(memory, default=None),
        card_mib=max(card, default=None),
        disk_bytes=round(statistics.fmean(disk)) if disk else None,
        data_percent=statistics.fmean(waits) if waits else None,
        source=f"{len(runs)} finished run{'s' if len(runs) > 1 else ''}",
    )


@dataclass(frozen=True, kw_only=True)
class PlannedPoint:
    """A point that has no outcome yet."""

    id: str
    net: str
    """Points of one net cost the same, epoch for epoch."""
    epochs: int
    measurement: Measurement | None
    """None: nothing is known."""

    @property
    def seconds(self) -> float | None:
        return self.measurement.seconds(self.epochs) if self.measurement else None


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Cost of all points that are still to be trained."""

    seconds: float | None
    """From the command to the report; None: not all points are known."""
    compute_seconds: float | None
    """The same, one point after the other."""
    memory_mib: float | None
    """Peak of those that run at a time."""
    card_mib: float | None = None
    """Peak of a GPU under the points that share it; None without one, or not all are known."""
    disk_bytes: int | None


def totals(
    points: Sequence[PlannedPoint], jobs: int, overhead_seconds: float, sharing: int = 0
) -> Totals:
    """Add up the costs of all points that are still to be trained.

    Args:
        points: in the order in which they will be started.
        jobs: points trained at a time.
        overhead_seconds: taken by the study's own process before the first and after the last.
        sharing: points that share a GPU; 0: there is none.
    """
    if not points:
        return Totals(seconds=overhead_seconds, compute_seconds=0.0, memory_mib=0.0, disk_bytes=0)
    seconds = [s for p in points if (s := p.seconds) is not None]
    known = [p.measurement for p in points if p.measurement]
    memory = sorted((m.memory_mib for m in known if m.memory_mib is not None), reverse=True)
    card = sorted((m.card_mib for m in known if m.card_mib is not None), reverse=True)
    disk = [m.disk_bytes for m in known if m.disk_bytes is not None]
    whole = len(seconds) == len(points)
    return Totals(
        seconds=makespan(seconds, jobs) + overhead_seconds if whole else None,
        compute_seconds=sum(seconds) if whole else None,
        memory_mib=sum(memory[:jobs]) if len(memory) == len(points) else None,
        card_mib=sum(card[:sharing]) if sharing and len(card) == len(points) else None,
        disk_bytes=sum(disk) if len(disk) == len(points) else None,
    )


def makespan(seconds: Iterable[float], jobs: int) -> float:
    """Until the last of them ends, if the next starts whenever one of ``jobs`` places is free."""
    places = [0.0] * jobs
    for duration in seconds:
        heapq.heappush(places, heapq.heappop(places) + duration + TURNAROUND_SECONDS)
    return max(places)


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """The differences that the seeds of a claim can show."""

    claim: str
    setting: dict[str, object]
    seeds: int
    """Seeds that the study gives every side."""
    pairs: int
    """Seeds that have an outcome on every side already; the noise is known from them."""
    noise: Noise | None
    noise_of: str
    """``this claim``, or ``other claims`` where it has too few pairs of its own; empty: none."""
    detectable: float | None
    """Smallest true distance from what the claim has to clear, percentage points, that is shown
    with a chance of ``POWER`` at the look that has all seeds."""
    wanted: int | None
    """As in the report: ``seeds_wanted``."""


def resolutions(view: StudyView) -> list[Resolution]:
    """Estimate the differences that a study can show, for each of its comparisons.

    The level is that of the first step of Holm's correction over all of them, which is the
    strictest: what is detectable with it is detectable whatever the others show.
    """
    judgements, _ = judge(view)
    known = [e.noise for found in judgements if (e := found.evidence.effect) and e.noise]
    typical = _typical(known)
    seeds = [_seeds(comparison) for comparison in comparisons(view)[0]]
    return [_resolution(j, n, typical, len(seeds)) for j, n in zip(judgements, seeds, strict=True)]


def _typical(known: Sequence[Noise]) -> Noise | None:
    if not known:
        return None
    return Noise(
        seed_sd=statistics.median(n.seed_sd for n in known),
        image_se=statistics.median(n.image_se for n in known),
        samples=statistics.median(n.samples for n in known),
        luck_sd=statistics.median(n.luck_sd for n in known),
    )


def _resolution(found: Judgement, seeds: int, typical: Noise | None, family: int) -> Resolution:
    effect, direction = found.evidence.effect, found.direction
    own = effect.noise if effect else None
    bounds = len(direction.bounds(found.margin))
    # Without a bound there is no one difference to show: of shares of runs, or of many places.
    noise = (own or typical) if bounds and _has_limits(found) else None
    tail = found.rule.tail_at_the_end(max(direction.tails(ALPHA / family)), found.look)
    least = None
    if noise and (limits := direction.limits(found.paired.places, found.margin)):
        known = [part.noise for part in direction.limited(found.evidence)] or [None] * len(limits)
        parts = [
            Part(each or noise, limit.distance, limit.share)
            for each, limit in zip(known, limits, strict=True)
        ]
        least = detectable_by_all(parts, seeds, tail)
    elif noise:
        least = detectable(noise, seeds, tail, POWER, bounds)
    return Resolution(
        claim=found.comparison.name,
        setting=dict(found.comparison.setting),
        seeds=seeds,
        pairs=effect.seeds if own and effect else 0,
        noise=noise,
        noise_of="this claim" if own else "other claims" if noise else "",
        detectable=least,
        wanted=seeds_wanted(found, family),
    )


def _has_limits(found: Judgement) -> bool:
    """Whether it is known what the claim's parts have to be shown below: not where that hangs on a
    margin which is a share of an error that no run has."""
    direction, paired = found.direction, found.paired
    if not found.comparison.claim.margin_share:
        return True
    limits = (direction.limits(paired.places, margin) for margin in (0.0, 1.0))
    without, with_one = ([limit.distance for limit in found] for found in limits)
    return without == with_one or paired.error(direction.reference % paired.sides) is not None


def _seeds(comparison: Comparison) -> int:
    return min((len(net) for side in comparison.sides for net in side.nets), default=0)
