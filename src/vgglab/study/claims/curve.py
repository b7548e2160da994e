"""A smooth curve through errors along an order, its band, and where it is lowest.

The curve is a parabola in the logarithm of the place (in the place itself where one is not above
zero), fitted by least squares: what it says at a place, and how steep it is there, are weighted
sums of the errors with weights that are known beforehand. Their intervals are those of any other
claim, seeds, test images and all.

The curve may be lowest wherever it is neither shown to fall nor shown to rise (Fieller 1954): no
division by a curvature that may be zero, and an interval that is as wide as the data leave it.
Where that goes to the end of what was tried it is open there; of a flat curve it is everything.

A parabola is a model, and a curve with a cliff has none: where one of the errors is shown to lie
off it, there is no curve. No word hangs on it: see ``best.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.pairing import Paired

LEAST_PLACES = 4
"""A parabola goes through any three."""
STEPS = 24
"""Along which the curve is drawn."""
COARSE = 2
"""Steps at a time by which the ends of where it may be lowest are looked for."""
_HALVINGS = 7
"""By which an end is found between two steps."""
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A parabola through errors; percent, at ``STEPS`` + 1 places."""

    places: tuple[float, ...]
    errors: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Ends of the 95% interval of the error at that place."""
    lowest: float
    """Where the curve is lowest between the first place and the last."""
    ends: tuple[float, float]
    """First and last place where it may be lowest, at 95%."""


@dataclass(frozen=True)
class Parabola:
    """Least squares on these places: the weights of the errors in what the curve says."""

    places: tuple[float, ...]
    """In the order of the errors; three or more different ones."""

    @property
    def is_log(self) -> bool:
        return min(self.places) > 0

    def at(self, places: Iterable[float]) -> Values:
        """Where places stand on the curve's own axis."""
        values = np.asarray([*places], dtype=np.float64)
        return np.log(values) if self.is_log else values

    @cached_property
    def coefficients(self) -> Values:
        """(3, places): weights of the errors in the constant, the slope and the curvature."""
        return np.asarray(np.linalg.pinv(_powers(self._scaled(self.places))))

    def _scaled(self, places: Iterable[float]) -> Values:
        own = self.at(self.places)
        return np.asarray((self.at(places) - own.mean()) / np.ptp(own))

    def error_weights(self, place: float) -> Values:
        """Weights of the errors in the curve's value at a place."""
        return np.asarray(_powers(self._scaled([place]))[0] @ self.coefficients)

    def slope_weights(self, place: float) -> Values:
        """Weights of the errors in the curve's slope at a place, its axis scaled to length 1."""
        (at,) = self._scaled([place])
        return np.asarray(np.array([0.0, 1.0, 2 * at]) @ self.coefficients)

    def misfit_weights(self) -> Values:
        """(places, places): weights of the errors in what each lies off the curve."""
        fitted = _powers(self._scaled(self.places)) @ self.coefficients
        return np.asarray(np.eye(len(self.places)) - fitted)

    def lowest(self, errors: Sequence[float]) -> float:
        """Where the curve through these errors is lowest, from the first place to the last."""
        _, slope, curvature = self.coefficients @ np.asarray(errors)
        own = self.at(self.places)
        ends = self._scaled([min(self.places), max(self.places)])
        candidates = [*ends] + ([-slope / (2 * curvature)] if curvature > 0 else [])
        within = [at for at in candidates if ends[0] <= at <= ends[1]]
        best = min(within, key=lambda at: slope * at + curvature * at**2)
        if best in ends:  # as it was given, not to and fro through a logarithm
            return (min if best == ends[0] else max)(self.places)
        where = float(best * np.ptp(own) + own.mean())
        return float(np.exp(where)) if self.is_log else where

    def steps(self) -> Values:
        """Places along the curve, evenly spaced on its own axis."""
        own = self.at(self.places)
        along = np.linspace(own.min(), own.max(), STEPS + 1)
        steps = np.exp(along) if self.is_log else along
        steps[[0, -1]] = min(self.places), max(self.places)
        return np.asarray(steps)


def _powers(at: Values) -> Values:
    return np.stack([np.ones_like(at), at, at**2], axis=1)


def curve_of(paired: Paired, alpha: float = ALPHA) -> Curve | None:
    """The curve through a comparison's sides, placed along its order.

    Args:
        paired: the errors of the sides.
        alpha: one less the level of its intervals.

    Returns:
        None with fewer than four places, with one seed, and where an error lies off the parabola.
    """
    if len(set(paired.places)) < LEAST_PLACES:
        return None
    parabola, paired = Parabola(paired.places), paired.condensed()
    if is_off(paired, parabola, alpha) is not False:
        return None
    steps = parabola.steps()
    errors, low, high = [], [], []
    for place in steps:
        value = paired.contrast(tuple(parabola.error_weights(float(place))))
        assert value is not None  # every side has an error, as ``is_off`` has seen
        ends = value.interval_of(alpha / 2, alpha / 2)
        assert ends is not None
        errors.append(value.mean)
        low.append(ends[0])
        high.append(ends[1])
    return Curve(
        places=tuple(map(float, steps)),
        errors=tuple(errors),
        low=tuple(low),
        high=tuple(high),
        lowest=parabola.lowest([paired.error(side) or 0.0 for side in range(paired.sides)]),
        ends=lowest_ends(paired, parabola, alpha),
    )


def lowest_ends(paired: Paired, parabola: Parabola, alpha: float = ALPHA) -> tuple[float, float]:
    """First and last place where the curve may be lowest.

    Those where it is neither shown to fall nor shown to rise, all between them, the last place
    where it is shown to fall there (it may be lowest there, or further on) and the first where it
    is shown to rise.

    Args:
        paired: the errors of the sides.
        parabola: on their places.
        alpha: one less the level.
    """
    steps = [float(place) for place in parabola.steps()[::COARSE]]
    slopes = [shown_slope(paired, parabola, place, alpha) for place in steps]
    may_be = [slope == 0 for slope in slopes]
    may_be[0] |= slopes[0] > 0
    may_be[-1] |= slopes[-1] < 0
    kept = [i for i, keep in enumerate(may_be) if keep]
    if not kept:  # it is shown to fall at one step and to rise at the next
        turn = max(i for i, slope in enumerate(slopes) if slope < 0)
        return steps[turn], steps[turn + 1]

    def edge(inside: int, outside: int) -> float:
        """Between two neighbouring steps, where a slope begins to be shown."""
        if not 0 <= outside < len(steps) or slopes[inside]:
            return steps[inside]
        near, far = steps[inside], steps[outside]
        for _ in range(_HALVINGS):
            middle = (near + far) / 2
            if shown_slope(paired, parabola, middle, alpha):
                far = middle
            else:
                near = middle
        return far

    return edge(kept[0], kept[0] - 1), edge(kept[-1], kept[-1] + 1)


def shown_slope(paired: Paired, parabola: Parabola, place: float, alpha: float = ALPHA) -> int:
    """-1 where the curve is shown to fall at a place, 1 where it is shown to rise, else 0.

    Args:
        paired: the errors of the sides.
        parabola: on their places.
        place: to ask of.
        alpha: one less the level.
    """
    slope = paired.contrast(tuple(parabola.slope_weights(place)))
    if slope is None:
        return 0
    falls = slope.mean < 0
    p_value = slope.p_below(0) if falls else slope.p_above(0)
    return (-1 if falls else 1) if p_value <= alpha / 2 else 0


def is_off(paired: Paired, parabola: Parabola, alpha: float) -> bool | None:
    """Whether any error is shown not to lie on the parabola; None where no noise is known.

    Args:
        paired: the errors of the sides.
        parabola: on their places.
        alpha: level, over all sides (Bonferroni).
    """
    weights = parabola.misfit_weights()
    for row in weights:
        off = paired.contrast(tuple(row))
        if off is None or off.seeds < 2:
            return None
        p_value = off.p_below(0) if off.mean < 0 else off.p_above(0)
        if 2 * len(weights) * p_value <= alpha:
            return True
    return False
