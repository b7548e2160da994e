"""Which points of a study each claim compares, all else equal."""

from __future__ import annotations

import hashlib
import operator
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

from vgglab.config import arm_fields
from vgglab.config.claims import PROTOCOL, Claim, Selector
from vgglab.config.parse import ConfigError, shown
from vgglab.study.arms import distinguishing, leave_out_tables
from vgglab.study.claims.sides import Side, named_fields, order_of
from vgglab.study.claims.tested import TOP_K, Point, agrees, labels_of, tested_under
from vgglab.study.confounds import is_covered
from vgglab.study.ledger import claim_key
from vgglab.study.view import StudyView

Values = tuple[tuple[str, Any], ...]
"""Fields with their values, hashable."""
RELATED = {"above": operator.gt, "below": operator.lt, "equals": operator.eq}
NO_ORDER = (
    "its sides have no order: they must differ in depth, or in one field with numbers; what "
    "differs with it belongs in ignore"
)


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
    def question(self) -> str:
        """What is asked of its runs, beside the direction: a ledger tells by it what was asked."""
        tests = " and ".join(dict.fromkeys(side.protocol for side in self.sides))
        share = f" + {self.claim.margin_share:g}%" if self.claim.margin_share else ""
        return f"{self.claim.metric} under {tests}, margin {self.claim.margin:g}{share}"

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
        besides = {n for n in known if is_covered(n, may_differ)} - named_fields(claim)
        candidates, why = _candidates(claim_name, claim, view.points, fields, besides)
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
    besides: set[str],
) -> tuple[list[_Candidate], str]:
    """``besides``: fields that the claim does not name and that may differ between its sides."""
    named = named_fields(claim) | besides
    groups = [_groups(side, claim, points, fields, named) for side in claim.compare]
    candidates: list[_Candidate] = []
    why = _lacking(claim, groups)
    for shared in sorted(set.intersection(*(set(g) for g in groups)), key=repr):
        chosen = [
            arms
            for arms in product(*(sorted(g[shared].items(), key=_order) for g in groups))
            if _same_runs_only_by_protocol(claim, arms)
        ]
        for arms in _alike(chosen, besides):
            averages = sorted(set.intersection(*(set(nets) for _, nets in arms)), key=repr)
            if not averages:
                why = "the sides share no value of what is averaged over"
                continue
            labels = {
                values: labels_of(claim, [nets[values] for _, nets in arms]) for values in averages
            }
            protocols = tested_under(claim, [found for found in labels.values() if found])
            if protocols is None:
                k = TOP_K[claim.metric]
                why = f"its runs do not all have a top-{k} error under a protocol that it names"
                continue
            # Nets that were tested otherwise, or not at all, are not among those averaged over.
            averages = [v for v in averages if agrees(labels[v], protocols)]
            sides = tuple(
                Side(dict(own), label, tuple(nets[values] for values in averages))
                for (own, nets), label in zip(arms, protocols, strict=True)
            )
            averaged = tuple(dict(values) for values in averages)
            if _has_equal_sides(sides):
                why = "its sides are the same runs, tested in the same way"
                continue
            if claim.best and order_of(claim, sides) is None:
                why = NO_ORDER
                continue
            comparison = Comparison(name, claim, {}, averaged, sides)
            candidates.append(_Candidate(comparison, shared))
    return candidates, why


def _alike(
    chosen: Sequence[Sequence[tuple[Values, _Nets]]], besides: set[str]
) -> Sequence[Sequence[tuple[Values, _Nets]]]:
    """Those choices of arms that agree in what may differ besides; all where none does."""
    alike = [
        arms
        for arms in chosen
        if len({tuple(item for item in own if item[0] in besides) for own, _ in arms}) == 1
    ]
    return alike or chosen


def _has_equal_sides(sides: Sequence[Side]) -> bool:
    """Whether two sides are one: their difference would be 0 of whatever was trained."""
    return any(
        one.protocol == other.protocol
        and [{s: p.id for s, p in net.items()} for net in one.nets]
        == [{s: p.id for s, p in net.items()} for net in other.nets]
        for one, other in combinations(sides, 2)
    )


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
    """Whether a run with these field values is on the side.

    Raises:
        ConfigError: it asks which of two values is larger that are not both numbers.
    """
    asked = [item for item in side.items() if item[0] != PROTOCOL]
    # Values first: of a run that is not on the side nothing else is asked.
    asked.sort(key=lambda item: isinstance(item[1], Mapping))
    return all(_fits(path, wanted, values) for path, wanted in asked)


def _fits(path: str, wanted: Any, values: Mapping[str, Any]) -> bool:
    value = values.get(path)
    if isinstance(wanted, Mapping):
        ((relation, bound),) = wanted.items()
        bound = values.get(bound) if isinstance(bound, str) else bound
        if value is None or bound is None:
            return False
        are_numbers = isinstance(value, int | float) and isinstance(bound, int | float)
        if relation != "equals" and not are_numbers:
            raise ConfigError(
                f"claims: a side has {path} {relation} {wanted[relation]}: must be numbers, and a "
                f"run has {shown(value)} and {shown(bound)}"
            )
        return bool(RELATED[relation](value, bound))
    return value in wanted if isinstance(wanted, list | tuple) else bool(value == wanted)


def _same_runs_only_by_protocol(claim: Claim, arms: Sequence[tuple[Values, _Nets]]) -> bool:
    """Sides that only their protocols tell apart are the same runs."""
    plain = [{k: v for k, v in side.items() if k != PROTOCOL} for side in claim.compare]
    return all(
        one_arm[0] == other_arm[0]
        for (one, one_arm), (other, other_arm) in combinations(zip(plain, arms, strict=True), 2)
        if one == other
    )


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
    """The comparisons of one claim, each with the fields that tell it from the others: of those
    that its sides share and, where these do not suffice, of a side's own."""
    shared = [dict(candidate.shared) for candidate in candidates]
    telling = distinguishing(shared)
    settings = [{name: values.get(name) for name in telling} for values in shared]
    alike: dict[str, list[Comparison]] = defaultdict(list)
    for candidate, setting in zip(candidates, settings, strict=True):
        alike[repr(setting)].append(candidate.comparison)
    return [
        replace(
            candidate.comparison, setting=setting | _own(candidate.comparison, alike[repr(setting)])
        )
        for candidate, setting in zip(candidates, settings, strict=True)
    ]


def _own(comparison: Comparison, others: Sequence[Comparison]) -> dict[str, Any]:
    """The fields of its sides that tell a comparison from others; ``d/a`` where two sides do."""
    found: dict[str, Any] = {}
    for name in sorted({name for side in comparison.sides for name in side.fields}):
        values = [
            side.fields.get(name)
            for side, *same in zip(
                comparison.sides, *(other.sides for other in others), strict=True
            )
            if len({repr(each.fields.get(name)) for each in same}) > 1
        ]
        several = list(dict.fromkeys(values))
        if several:
            found[name] = several[0] if len(several) == 1 else "/".join(map(str, several))
    return found
