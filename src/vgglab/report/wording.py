"""Spelling of names and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vgglab.config.model import net_label
from vgglab.config.names import named_once
from vgglab.runs.records import AT_CHANCE, TIMES_CHANCE
from vgglab.study import CONFIDENCE, Arm, ClaimRecord, Estimate
from vgglab.study.claims.directions import DIRECTIONS
from vgglab.study.claims.evidence import difference_label
from vgglab.study.claims.record import BestRecord
from vgglab.study.claims.sides import LAYERS, OF_DEPTH

HARD_SPACE = "\N{NO-BREAK SPACE}"
NONE = "\N{EM DASH}"
MINUS = "\N{MINUS SIGN}"
INTERVAL = f"{CONFIDENCE:.0%} interval"
HARDLY_BETTER = (
    f"at least {AT_CHANCE:.0%} of the error of guessing and less than {TIMES_CHANCE} times its "
    "accuracy"
)
"""What a run that finished reaches if it did not train."""


def model_label(model: str) -> str:
    """The name of a net as its paper writes it: A-LRN for ``a_lrn``; plain-22 as it is."""
    return net_label(model)


def norm_label(norm: str) -> str:
    """``batch norm``; ``no batch norm`` for none, as the paper's nets have it."""
    return "no batch norm" if norm == "none" else f"{norm} norm"


def init_label(init: str) -> str:
    """``he initialisation``."""
    return f"{init} initialisation"


class ArmNames:
    """Names of arms that say no more than is needed to tell those of one study apart."""

    def __init__(self, arms: Iterable[Arm]) -> None:
        known = list(arms)
        self._norms = len({arm.norm for arm in known}) > 1
        self._inits = len({arm.init for arm in known}) > 1

    def __call__(self, arm: Arm) -> str:
        """``B with batch norm``; ``B`` where every arm has batch norm."""
        return f"{model_label(arm.model)}{self._norm(arm)}{self._setting(arm)}"

    def setting(self, arm: Arm) -> str:
        """The part of the name besides net and norm; may be empty."""
        return self._setting(arm).removeprefix(", ")

    def _norm(self, arm: Arm) -> str:
        if not self._norms:
            return ""
        return " without batch norm" if arm.norm == "none" else f" with {norm_label(arm.norm)}"

    def _setting(self, arm: Arm) -> str:
        init = [init_label(arm.init)] if self._inits else []
        return "".join(f", {part}" for part in init + ([arm.variant] if arm.variant else []))


def number(value: float | None, decimals: int = 2) -> str:
    """With a real minus sign; a dash for None."""
    if value is None:
        return NONE
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def decimals_of(intervals: Iterable[Sequence[float]]) -> int:
    """So many that the narrowest of intervals shows, 2 at least."""
    narrowest = min((high - low for low, high in intervals if high > low), default=1.0)
    return min(max(2, 2 - math.floor(math.log10(narrowest))), 8)


def signed(value: float | None, decimals: int = 2) -> str:
    """``number`` with a plus sign where it is above zero."""
    text = number(value, decimals)
    return f"+{text}" if value is not None and float(f"{value:.{decimals}f}") > 0 else text


def span(interval: Sequence[float] | None) -> str:
    """``4.10 to 5.30``; a dash for None."""
    return NONE if interval is None else " to ".join(number(end) for end in interval)


def signed_span(interval: Sequence[float] | None) -> str:
    """``-0.89 to +0.03``; an end near zero gets the decimals that show which side it is on."""
    if interval is None:
        return NONE
    return " to ".join(signed(end, _decimals(end)) for end in interval)


def _decimals(end: float) -> int:
    return next((d for d in range(2, 7) if round(end, d)), 2)


def less_or_more(difference: float) -> str:
    """``2.48 points less``, ``0.95 points more``."""
    return f"{number(abs(difference))} points {'less' if difference < 0 else 'more'}"


def unsigned_span(interval: Sequence[float]) -> str:
    """``2.90 to 4.40`` on one side of zero, which the mean names; ``0.14 less to 1.75 more``."""
    ends = sorted(interval, key=abs)
    low, high = (number(abs(end), _decimals(end)) for end in ends)
    if min(interval) < 0 < max(interval):
        low, high = (
            f"{number(abs(end), _decimals(end))} {'less' if end < 0 else 'more'}"
            for end in interval
        )
    return f"{low} to {high}"


def p_text(p_value: float) -> str:
    """``p = 0.012``, ``p < 0.001``."""
    found = p_number(p_value)
    return f"p {found}" if found.startswith("<") else f"p = {found}"


def p_number(p_value: float | None) -> str:
    """``0.012``, ``< 0.001``."""
    return "< 0.001" if p_value is not None and p_value < 0.001 else number(p_value, 3)


def grouped(value: int | None) -> str:
    """``1,234,567``; a dash for None."""
    return NONE if value is None else f"{value:,}"


def measured(estimate: Estimate | None, decimals: int) -> str:
    """Mean and, where it shows, range over seeds: ``31.0 (30.2 to 32.1)``."""
    if estimate is None:
        return NONE
    mean = number(estimate.mean, decimals)
    low, high = (number(pick(estimate.values), decimals) for pick in (min, max))
    return mean if low == high else f"{mean} ({low} to {high})"


def other_states(states: Mapping[str, int]) -> str:
    """`` (1 diverged, 2 pending)``: the runs that have not finished; empty where all have."""
    others = [f"{count} {state}" for state, count in states.items() if state != "finished"]
    return f" ({', '.join(others)})" if others else ""


def plural(count: int, noun: str) -> str:
    """``1 pair``, ``2 pairs``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def field_label(name: str, value: Any) -> str:
    """A config field's value in words: ``A-LRN``, ``batch norm``, ``recipe.epochs 5``."""
    if name == "model.name":
        return model_label(str(value))
    if name == "norm.name":
        return norm_label(str(value))
    if name == "init.name":
        return init_label(str(value))
    return f"{name} {value}"


def setting_label(setting: Mapping[str, Any]) -> str:
    """Words for the fields that tell one comparison, or one side, from another."""
    fields = dict(setting)
    smallest, largest = (fields.pop(f"recipe.scale_{end}", None) for end in ("min", "max"))
    scale = []
    if smallest is not None and largest is not None:
        scale = [f"S {smallest}" if smallest == largest else f"S {smallest} to {largest}"]
    elif (smallest, largest) != (None, None):
        scale = [f"S from {smallest}" if largest is None else f"S to {largest}"]
    return ", ".join([*(field_label(name, value) for name, value in fields.items()), *scale])


def side_labels(claim: ClaimRecord) -> list[str]:
    """Short names of a claim's sides: nets, or protocols, or fields with their values."""
    sides = claim["sides"]
    protocols = len({side["protocol"] for side in sides}) > 1
    names = {name for side in sides for name in side["fields"]}
    telling = [n for n in sorted(names) if len({repr(s["fields"].get(n)) for s in sides}) > 1]
    if any(name.startswith("recipe.scale_") for name in telling):
        telling = sorted({*telling, *(n for n in names if n.startswith("recipe.scale_"))})
    labels = []
    for side in sides:
        parts = [setting_label({name: side["fields"].get(name) for name in telling})]
        parts = [part for part in parts if part]
        parts += [side["protocol"].replace("_", " ")] if protocols else []
        labels.append(", ".join(parts))
    return labels


def part_labels(claim: ClaimRecord) -> list[str]:
    """Names of the differences that a claim is made of."""
    labels = side_labels(claim)
    pairs = DIRECTIONS[claim["direction"]].pairs(len(labels))
    return [difference_label(labels[first], labels[second]) for first, second in pairs]


def compared(claim: ClaimRecord, *, brief: bool = False) -> str:
    """Name of the claim's effect: ``A-LRN - A``, ``A to E, fitted``, the weakest of several.

    ``brief``: without the nets that it is averaged over.
    """
    label = DIRECTIONS[claim["direction"]].effect_label(side_labels(claim))
    return label if brief else label + averaged(claim)


def unit_of(claim: ClaimRecord) -> str:
    """The order along which a claim's sides stand: weight layers, or a field's name; empty where
    they stand one by one as the claim names them."""
    names = sorted({name for side in claim["sides"] for name in side["fields"]})
    values = {name: [side["fields"].get(name) for side in claim["sides"]] for name in names}
    telling = [name for name in names if len({*map(repr, values[name])}) > 1]
    # A field that may differ besides has other values than the places.
    placed = [name for name in telling if values[name] == claim["places"]]
    if not placed and claim["places"] == [*range(len(claim["sides"]))]:
        return ""
    return LAYERS if not placed or not OF_DEPTH.isdisjoint(telling) else placed[0]


def ends_of(best: BestRecord) -> tuple[float, float] | None:
    """First and last place that may be the best; None with one seed."""
    return (best["may_be"][0], best["may_be"][-1]) if best["may_be"] else None


def best_of_claim(claim: ClaimRecord) -> str:
    """``16 (13 to 16)``: the place with the least error, and those that may have it."""
    best = claim["best"]
    if best is None or best["place"] is None:
        return NONE
    return f"{best['place']:g} ({best['text'] or 'no interval'})"


def averaged(claim: ClaimRecord) -> str:
    """``, mean of A B``: the nets that a claim is averaged over; empty where it is of one."""
    values = sorted(claim["averaged_over"], key=_numbers_in_order)
    nets = [field_label(name, value) for fields in values for name, value in fields.items()]
    return f", mean of {named_once(nets, ' ')}" if nets else ""


def _numbers_in_order(fields: Mapping[str, Any]) -> tuple[float, ...]:
    """Sorts 9 before 11; what is no number stays where it is."""
    return tuple(value if isinstance(value, int | float) else 0 for value in fields.values())
