"""Which points of a study each claim compares, all else equal."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

from vgglab.config import arm_fields
from vgglab.config.claims import PROTOCOL, Claim, Metric, Selector
from vgglab.runs import RunRecord, State
from vgglab.study.arms import distinguishing, leave_out_tables
from vgglab.study.confounds import is_covered
from vgglab.study.ledger import claim_key
from vgglab.study.view import MissingPoint, StudyView

TOP_K: dict[Metric, int] = {"top1_error": 1, "top5_error": 5}
Point = RunRecord | MissingPoint
Values = tuple[tuple[str, Any], ...]
"""Fields with their values, hashable."""


@dataclass(frozen=True)
class Side:
    """The runs on one side of a comparison."""

    fields: Mapping[str, Any]
    """Values of the fields that the claim names, and of those that may differ besides."""
    protocol: str
    """Label of the test that is compared, as in ``result.json``."""
    nets: tuple[Mapping[int, Point], ...]
    """Seed -> point, for each combination of values that is averaged over."""


@dataclass(frozen=True)
class Comparison:
    """A claim with the points of a study that can answer it."""

    name: str
    claim: Claim
    setting: Mapping[str, Any]
    """Fields that tell this comparison from others of the same claim."""
    averaged: tuple[Mapping[str, Any], ...]
    """Values of the fields that are averaged over, one for each net of a side."""
    sides: tuple[Side, ...]

    @property
    def key(self) -> str:
        """Its name in ledgers."""
        return claim_key(self.name, self.setting)

    @property
    def seeds(self) -> frozenset[int]:
        """Seeds of any of its runs."""
        return frozenset(seed for side in self.sides for net in side.nets for seed in net)

    @property
    def runs_hash(self) -> str:
        """Of the ids of its runs."""
        ids = sorted(point.id for point in self.points)
        return hashlib.sha256(" ".join(ids).encode()).hexdigest()[:16]

    def among(self, seeds: Collection[int]) -> Comparison:
        """The same comparison of the runs with these seeds only."""
        return replace(
            self,
            sides=tuple(
                replace(
                    side,
                    nets=tuple(
                        {seed: point for seed, point in net.items() if seed in seeds}
                        for net in side.nets
                    ),
                )
                for side in self.sides
            ),
        )

    @property
    def points(self) -> list[Point]:
        """Every run that takes part, once."""
        found = {p.id: p for side in self.sides for net in side.nets for p in net.values()}
        return list(found.values())


def claim_on_named(direction: str, sides: int, margin: float, margin_reason: str) -> Claim:
    """A claim whose sides are runs that are named by themselves.

    Args:
        direction: of the claim.
        sides: how many there are.
        margin: in the unit of the errors.
        margin_reason: says why it is that.

    Raises:
        ValueError: the direction takes other sides, or another margin.
    """
    # A claim's side names a field by which runs are found: here one that finds any.
    found_by: Selector = {"norm.name": ["none", "batch"]}
    return Claim(
        statement="on runs that are named by themselves",
        direction=direction,
        compare=(found_by,) * sides,
        margin=margin,
        margin_reason=margin_reason,
    )


@dataclass(frozen=True)
class Unanswered:
    """A claim that no points of the study can answer."""

    name: str
    why: str


def comparisons(view: StudyView) -> tuple[list[Comparison], list[Unanswered]]:
    """Every comparison that a study's claims make among its points, and the claims that make none.

    A claim makes one comparison for each setting in which all of its sides have points.
    """
    found: list[Comparison] = []
    unanswered: list[Unanswered] = []
    # A tuned net has one setting, which follows from the net: it tells no runs apart.
    tuned = view.tuning.fields if view.tuning else ()
    fields = {
        p.id: {name: value for name, value in _fields(p).items() if name not in tuned}
        for p in view.points
    }
    leave_out_tables(fields.values())
    known = {name for values in fields.values() for name in values}
    nuisance = view.guard.declared.nuisance if view.guard else ()
    for claim_name, claim in view.claims.items():
        may_differ = (*claim.ignore, *nuisance)
        named = named_fields(claim) | {name for name in known if is_covered(name, may_differ)}
        candidates, why = _candidates(claim_name, claim, view.points, fields, named)
        found += _with_settings(candidates)
        if not candidates:
            unanswered.append(Unanswered(claim_name, why))
    return found, unanswered


def _fields(point: Point) -> dict[str, Any]:
    """The fields that runs must share to be compared; protocols are matched by label."""
    found = arm_fields(point.config)
    return {name: value for name, value in found.items() if not name.startswith("protocol.")}


@dataclass(frozen=True)
class _Candidate:
    """A comparison without its setting, and every field that its runs share."""

    comparison: Comparison
    shared: Values


def _candidates(
    name: str,
    claim: Claim,
    points: Sequence[Point],
    fields: Mapping[str, Mapping[str, Any]],
    named: set[str],
) -> tuple[list[_Candidate], str]:
    groups = [_groups(side, claim, points, fields, named) for side in claim.compare]
    candidates: list[_Candidate] = []
    why = _lacking(claim, groups)
    for shared in sorted(set.intersection(*(set(g) for g in groups)), key=repr):
        for arms in product(*(sorted(g[shared].items(), key=_order) for g in groups)):
            if not _same_runs_only_by_protocol(claim, arms):
                continue
            averages = sorted(set.intersection(*(set(nets) for _, nets in arms)), key=repr)
            if not averages:
                why = "the sides share no value of what is averaged over"
                continue
            labels = {
                values: _labels(claim, [nets[values] for _, nets in arms]) for values in averages
            }
            tested = [found for found in labels.values() if found]
            if not tested:
                k = TOP_K[claim.metric]
                why = f"its runs do not all have a top-{k} error under a protocol that it names"
                continue
            # Nets that were tested otherwise, or not at all, are not among those averaged over.
            averages = [values for values in averages if labels[values] == tested[0]]
            sides = tuple(
                Side(dict(own), label, tuple(nets[values] for values in averages))
                for (own, nets), label in zip(arms, tested[0], strict=True)
            )
            averaged = tuple(dict(values) for values in averages)
            if _has_equal_sides(sides):
                why = "its sides are the same runs, tested in the same way"
                continue
            comparison = Comparison(name, claim, {}, averaged, sides)
            candidates.append(_Candidate(comparison, shared))
    return candidates, why


def _has_equal_sides(sides: Sequence[Side]) -> bool:
    """Whether two sides are one: their difference would be 0 of whatever was trained."""
    return any(
        one.protocol == other.protocol
        and [{s: p.id for s, p in net.items()} for net in one.nets]
        == [{s: p.id for s, p in net.items()} for net in other.nets]
        for one, other in combinations(sides, 2)
    )


def named_fields(claim: Claim) -> set[str]:
    """Fields by which a claim tells its sides apart."""
    found: set[str] = set()
    for side in claim.compare:
        for path, wanted in side.items():
            if path != PROTOCOL:
                found.add(path)
            if isinstance(wanted, Mapping):
                found |= {v for v in wanted.values() if isinstance(v, str)}
    return found


_Nets = dict[Values, dict[int, Point]]
_Groups = dict[Values, dict[Values, _Nets]]
"""Shared fields -> the side's own fields -> averaged fields -> seed -> point."""


def _groups(
    side: Selector,
    claim: Claim,
    points: Sequence[Point],
    fields: Mapping[str, Mapping[str, Any]],
    named: set[str],
) -> _Groups:
    found: _Groups = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for point in points:
        values = fields[point.id]
        if not matches(side, values):
            continue
        own = _pick(values, named)
        averaged = _pick(values, set(claim.average_over) - named)
        shared = _pick(values, set(values) - named - set(claim.average_over))
        found[shared][own][averaged][point.config.seed] = point
    return found


def _pick(values: Mapping[str, Any], names: set[str]) -> Values:
    return tuple((name, values.get(name)) for name in sorted(names))


def _order(item: tuple[Values, _Nets]) -> str:
    return repr(item[0])


def matches(side: Selector, values: Mapping[str, Any]) -> bool:
    """Whether a run with these field values is on the side."""
    return all(
        _fits(values.get(path), wanted, values) for path, wanted in side.items() if path != PROTOCOL
    )


def _fits(value: Any, wanted: Any, values: Mapping[str, Any]) -> bool:
    if isinstance(wanted, Mapping):
        ((relation, bound),) = wanted.items()
        bound = values.get(bound) if isinstance(bound, str) else bound
        if value is None or bound is None:
            return False
        return bool(
            {"above": value > bound, "below": value < bound, "equals": value == bound}[relation]
        )
    return value in wanted if isinstance(wanted, list | tuple) else bool(value == wanted)


def _same_runs_only_by_protocol(claim: Claim, arms: Sequence[tuple[Values, _Nets]]) -> bool:
    """Sides that only their protocols tell apart are the same runs."""
    plain = [{k: v for k, v in side.items() if k != PROTOCOL} for side in claim.compare]
    return all(
        one_arm[0] == other_arm[0]
        for (one, one_arm), (other, other_arm) in combinations(zip(plain, arms, strict=True), 2)
        if one == other
    )


def _labels(claim: Claim, nets: Sequence[Mapping[int, Point]]) -> tuple[str, ...] | None:
    """The label of each side's test in this comparison; None if a side has none."""
    sides = list(zip(claim.compare, (list(net.values()) for net in nets), strict=True))
    common = [p for side, points in sides if PROTOCOL not in side for p in points]
    shared = common_label(claim.protocol, common, claim.metric)
    found = [
        _label(side[PROTOCOL], points, claim.metric) if PROTOCOL in side else shared
        for side, points in sides
    ]
    known = tuple(label for label in found if label)
    return known if len(known) == len(found) else None


def common_label(names: Sequence[str], points: Sequence[Point], metric: Metric) -> str | None:
    """The label of the first of these protocols under which all runs have an error; None: of none.

    Args:
        names: of protocols.
        points: that are compared.
        metric: which of a test's errors.
    """
    return next((label for name in names if (label := _label(name, points, metric))), None)


def _label(name: str, points: Sequence[Point], metric: Metric) -> str | None:
    """The label that all of these runs have for a protocol: its name, or with scales.

    A run that did not train was tested under none and would have been under any.
    """
    offered = [_offered(p, metric) for p in points if p.state not in UNTRAINED]
    if not offered:
        return name if points else None
    labels = set.intersection(*offered)
    fitting = sorted(label for label in labels if label == name or label.startswith(f"{name}-"))
    return fitting[0] if fitting else None


UNTRAINED = (State.DIVERGED, State.UNTRAINABLE)
"""Outcomes of a run whose net did not learn."""


def _offered(point: Point, metric: Metric) -> set[str]:
    """Labels of the tests in which a run has an error, or will have it."""
    if point.state is State.FINISHED:
        errors = point.result.get("errors", {})
        return {label for label, found in errors.items() if metric in found}
    if TOP_K[metric] not in point.config.protocol.top_k:
        return set()
    return {procedure.label for procedure in point.config.procedures}


def _lacking(claim: Claim, groups: Sequence[_Groups]) -> str:
    """Why no points were found, in a few words."""
    for side, group in zip(claim.compare, groups, strict=True):
        if not group:
            wanted = ", ".join(f"{k} {_spelt(v)}" for k, v in side.items())
            return f"no point with {wanted}"
    return "no points that differ in nothing else"


def _spelt(wanted: Any) -> str:
    if isinstance(wanted, Mapping):
        return " ".join(f"{relation} {bound}" for relation, bound in wanted.items())
    return " or ".join(map(str, wanted)) if isinstance(wanted, list | tuple) else str(wanted)


def _with_settings(candidates: Sequence[_Candidate]) -> list[Comparison]:
    """The comparisons of one claim, each with the fields that tell it from the others."""
    shared = [dict(candidate.shared) for candidate in candidates]
    telling = distinguishing(shared)
    return [
        replace(candidate.comparison, setting={name: values.get(name) for name in telling})
        for candidate, values in zip(candidates, shared, strict=True)
    ]
