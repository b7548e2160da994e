"""Results of each arm under each protocol: how many seeds trained, and their errors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from vgglab.config.protocol import PROTOCOLS
from vgglab.runs import State
from vgglab.runs.records import GUESSING
from vgglab.study.arms import Arm, arms
from vgglab.study.estimate import ERRORS, Estimate, estimate
from vgglab.study.table import ResultRow, result_rows
from vgglab.study.view import StudyView, once_a_view

ErrorName = Literal["top1_error", "top5_error"]


def place_in_order(label: str) -> tuple[int, str]:
    """A sort key in the order of the registry; ``dense-64``, at other scales, follows ``dense``."""
    name, order = label.partition("-")[0], list(PROTOCOLS)
    return order.index(name) if name in order else len(order), label


def _in_order(labels: Iterable[str]) -> list[str]:
    return sorted(labels, key=place_in_order)


@dataclass(frozen=True)
class Summary:
    """One arm under one protocol. Errors are percentages of the test images."""

    arm: Arm
    protocol: str
    weight_layers: int
    seeds: tuple[int, ...]
    """Of the study's points."""
    states: Mapping[str, int]
    """State -> how many seeds are in it; of those that finished, some may be ``GUESSING``."""
    top1_error: Mapping[int, float]
    """Seed -> error, of the seeds that trained."""
    top5_error: Mapping[int, float]
    """Seed -> error; empty where top-5 was not measured."""

    @property
    def asked(self) -> int:
        """Seeds asked for, n in "k of n"; not those that the study has dropped."""
        return len(self.seeds) - self.states.get(State.UNNEEDED, 0)

    @property
    def trained(self) -> int:
        """Seeds that finished, were tested and do better than guessing, k in "k of n"."""
        return len(self.top1_error)

    @property
    def top1(self) -> Estimate | None:
        return estimate(self.top1_error.values(), ERRORS)

    @property
    def top5(self) -> Estimate | None:
        return estimate(self.top5_error.values(), ERRORS)


def _protocols(view: StudyView, rows: Iterable[ResultRow]) -> list[str]:
    """Protocols that the study asks for, and those that all trained runs were tested under.

    A run may have been tested further, for itself or for another study: of one run in three, a
    table would say nothing.
    """
    asked: set[str] = set()
    for point in view.points:
        asked |= {procedure.label for procedure in point.config.procedures}
    tested: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.trained:
            tested[row.run].add(row.protocol)
    of_all = set.intersection(*tested.values()) if tested else set()
    of_some = set().union(*tested.values())
    return _in_order([*((of_some & asked) | of_all or asked)])


def _by_seed(arm: Arm, rows: Iterable[ResultRow], name: ErrorName) -> dict[int, float]:
    errors: dict[int, float] = {}
    for row in rows:
        value: float | None = getattr(row, name)
        if not row.trained or value is None:
            continue
        if row.seed in errors:
            raise ValueError(f"{row.run}: seed {row.seed} of {arm} is there twice")
        errors[row.seed] = value
    return errors


@once_a_view
def summarise(view: StudyView) -> tuple[Summary, ...]:
    """One summary for each arm and protocol, in the order of the arms.

    Seeds that diverged, failed, hardly do better than to guess or have not run yet are counted in
    ``asked`` and ``states``; they have no error to enter the mean.

    Raises:
        ValueError: two points of an arm have the same seed.
    """
    rows, arm_of = result_rows(view), arms(view)
    members: dict[Arm, list[ResultRow]] = defaultdict(list)
    for row in rows:
        members[arm_of[row.run]].append(row)
    summaries: list[Summary] = []
    for protocol in _protocols(view, rows):
        for arm, of_arm in sorted(members.items()):
            runs = {row.run: row for row in of_arm}  # a run has a row for each protocol
            tested = [row for row in of_arm if row.protocol == protocol]
            guessing = {row.run: GUESSING for row in tested if row.is_guessing}
            states = [guessing.get(row.run, row.state) for row in runs.values()]
            summaries.append(
                Summary(
                    arm=arm,
                    protocol=protocol,
                    weight_layers=of_arm[0].weight_layers,
                    seeds=tuple(row.seed for row in runs.values()),
                    states=dict(sorted(Counter(states).items())),
                    top1_error=_by_seed(arm, tested, "top1_error"),
                    top5_error=_by_seed(arm, tested, "top5_error"),
                )
            )
    return tuple(summaries)


@dataclass(frozen=True)
class ProtocolStep:
    """Error of an arm under one protocol minus its error under its first, percentage points."""

    summary: Summary
    """Under the protocol."""
    base: str
    """The first protocol."""
    by_seed: dict[int, float]
    """Seed -> difference, of the seeds tested under both: the same weights and images."""

    @property
    def estimate(self) -> Estimate | None:
        """Mean difference and paired t-interval; None without a pair."""
        return estimate(self.by_seed.values())


def protocol_steps(summaries: Sequence[Summary]) -> list[ProtocolStep]:
    """Every arm under every protocol, each against the arm's first; arms in their order."""
    found: list[ProtocolStep] = []
    for arm in dict.fromkeys(summary.arm for summary in summaries):
        of = {s.protocol: s for s in summaries if s.arm == arm}
        protocols = _in_order(of)
        base = of[protocols[0]].top1_error
        for protocol in protocols:
            errors = of[protocol].top1_error
            both = sorted(errors.keys() & base.keys())
            by_seed = {seed: errors[seed] - base[seed] for seed in both}
            found.append(ProtocolStep(of[protocol], protocols[0], by_seed))
    return found
