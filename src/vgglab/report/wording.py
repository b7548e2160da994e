"""How names and numbers are spelt."""

from __future__ import annotations

from collections.abc import Iterable

from vgglab.study import CONFIDENCE, Arm, Difference, Estimate

NONE = "\N{EM DASH}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
INTERVAL = f"{CONFIDENCE:.0%} interval"

_MODELS = {"a_lrn": "A-LRN", "b_5x5": "B-5x5"}
_NORMS = {"none": "no batch norm", "batch": "batch norm"}
_WITH_NORM = {"none": "without batch norm", "batch": "with batch norm"}


def model_label(model: str) -> str:
    """``a_lrn`` as the paper writes it: A-LRN."""
    return _MODELS.get(model, model.upper().replace("_", "-"))


def norm_label(norm: str) -> str:
    """``batch`` in words."""
    return _NORMS.get(norm, norm)


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
        """What the name says besides model and norm; may be empty."""
        return self._setting(arm).removeprefix(", ")

    def difference(self, first: Arm, second: Arm) -> str:
        """``B - A with batch norm``: what both arms share is said once."""
        if first.norm != second.norm:
            left, right = (model_label(a.model) + self._norm(a) for a in (first, second))
            return f"{left} {MINUS} {right}{self._setting(first)}"
        if first.model != second.model:
            step = f"{model_label(first.model)} {MINUS} {model_label(second.model)}"
            return f"{step}{self._norm(first)}{self._setting(first)}"
        return f"{self(first)} {MINUS} {self(second)}"

    def _norm(self, arm: Arm) -> str:
        return f" {_WITH_NORM.get(arm.norm, arm.norm)}" if self._norms else ""

    def _setting(self, arm: Arm) -> str:
        init = [f"{arm.init} initialisation"] if self._inits else []
        return "".join(f", {part}" for part in init + ([arm.variant] if arm.variant else []))


def number(value: float | None, decimals: int = 2) -> str:
    """With a real minus sign; a dash for None."""
    if value is None:
        return NONE
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", MINUS)


def signed(value: float | None, decimals: int = 2) -> str:
    """``number`` with a plus sign where it is above zero."""
    text = number(value, decimals)
    return f"+{text}" if value is not None and float(f"{value:.{decimals}f}") > 0 else text


def span(interval: tuple[float, float] | None) -> str:
    """``4.10 to 5.30``; a dash for None."""
    return NONE if interval is None else " to ".join(number(end) for end in interval)


def signed_span(interval: tuple[float, float] | None) -> str:
    """``-0.89 to +0.03``; an end near zero gets the decimals that show which side it is on."""
    if interval is None:
        return NONE
    return " to ".join(
        signed(end, next((d for d in range(2, 7) if round(end, d)), 2)) for end in interval
    )


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


def seeds(values: Iterable[int]) -> str:
    """``seed 2``, ``seeds 1, 2``."""
    known = list(values)
    return f"seed{'s' if len(known) > 1 else ''} {', '.join(map(str, known))}"


def plural(count: int, noun: str) -> str:
    """``1 pair``, ``2 pairs``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def difference_sentence(difference: Difference, names: ArmNames) -> str:
    """The difference and its interval in plain words; the first arm is its subject."""
    step = names.difference(difference.first, difference.second)
    one_model = difference.first.model == difference.second.model
    spell = names if one_model else (lambda arm: model_label(arm.model))
    first, second = spell(difference.first), spell(difference.second)
    left_out = (
        f" {seeds(difference.unpaired).capitalize()} trained in only one of the two and "
        f"{'is' if len(difference.unpaired) == 1 else 'are'} left out."
        if difference.unpaired
        else ""
    )
    found = difference.estimate
    if found is None:
        return f"{step}: no seed has a test error in both, so there is no difference to state."
    # Compared as printed: 0.00 is neither lower nor higher.
    printed = number(abs(found.mean))
    if float(printed) == 0:
        size = f"the errors of {first} and {second} are equal to two decimals"
    else:
        way = "lower" if found.mean < 0 else "higher"
        size = f"the error of {first} is {printed} percentage points {way}"
    if found.interval is None:
        return f"{step}: {size} in the one pair; one pair gives no interval.{left_out}"
    low, high = found.interval
    # Errors come in steps of one test image, so that a few pairs can agree by chance.
    narrow = (
        " The pairs agree to two decimals; so narrow an interval from so few is not to be trusted."
        if number(low) == number(high)
        else ""
    )
    zero = "excludes" if difference.excludes_zero else "includes"
    return (
        f"{step}: {size}, mean of {plural(found.n, 'pair')}; the {INTERVAL}, "
        f"{signed_span(found.interval)}, {zero} zero.{narrow}{left_out}"
    )
