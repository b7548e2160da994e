"""How the 5% of a study are spent over its looks, so that looking again cannot talk it into a word.

A look is a judgement of all claims that have no word yet. A rule of spending turns the p-value of
one look into what it is worth over all of them: the smallest chance of a false word, over the whole
study, at which this look would have given the word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
import scipy
from numpy.typing import NDArray

Values = NDArray[np.float64]

FIRST_SHARE = 0.8
"""Of the 5%, what the first judgement of a study that declares no looks may spend."""
_ALPHAS = np.geomspace(1e-9, 0.5, 61)
_NODES = 161
_FAR = 8.5
"""Standard deviations beyond which nothing is integrated."""


class Spending(Protocol):
    """A rule that was declared before anything was seen."""

    def overall(self, p_value: float, look: int) -> float:
        """What a one-sided p-value at a look, counted from 1, is worth over all looks."""

    def tail(self, alpha: float, look: int) -> float:
        """The one-sided level at a look that costs so much over all looks."""

    def tail_at_the_end(self, alpha: float, look: int) -> float:
        """The same at the look that will have all seeds, if the next one is ``look``."""

    def spent(self, look: int) -> float:
        """Share of alpha that is spent when a look is over."""


@dataclass(frozen=True)
class Linear:
    """Alpha in proportion to the seeds, at looks that were declared (Lan & DeMets 1983).

    The level of each look follows from those before it: means of growing numbers of seeds move like
    a Brownian motion seen at those times. The images' part, which all looks share, ties them closer
    together than that, which spends less.
    """

    looks: tuple[int, ...]
    """Seeds at each look, ascending."""

    def overall(self, p_value: float, look: int) -> float:
        levels_a = _levels(self.looks)[:, look - 1]
        if p_value > levels_a[-1]:
            return 1.0
        return float(np.exp(np.interp(_log(p_value), np.log(levels_a), np.log(_ALPHAS))))

    def tail(self, alpha: float, look: int) -> float:
        levels_a = _levels(self.looks)[:, look - 1]
        return float(np.exp(np.interp(_log(alpha), np.log(_ALPHAS), np.log(levels_a))))

    def tail_at_the_end(self, alpha: float, look: int) -> float:
        """Looks beyond those that were declared go on as if none were."""
        last = len(self.looks)
        return self.tail(alpha, last) if look <= last else Halving().tail(alpha, look)

    def spent(self, look: int) -> float:
        return self.looks[look - 1] / self.looks[-1]


@dataclass(frozen=True)
class Halving:
    """For a study without declared looks: a large share at once, then half of what is left.

    Nobody knows how often such a study will be judged again; the shares add up to no more than 1
    however often it is.
    """

    def overall(self, p_value: float, look: int) -> float:
        return min(1.0, p_value / self._share(look))

    def tail(self, alpha: float, look: int) -> float:
        return alpha * self._share(look)

    def tail_at_the_end(self, alpha: float, look: int) -> float:
        return self.tail(alpha, look)

    def spent(self, look: int) -> float:
        return sum(self._share(k) for k in range(1, look + 1))

    def _share(self, look: int) -> float:
        return FIRST_SHARE if look == 1 else (1 - FIRST_SHARE) / 2.0 ** (look - 1)


@dataclass(frozen=True)
class Sparing:
    """A rule for a claim of which some looks can give no word, whatever comes out.

    Nothing can be wrong at them, so that they are no looks of its: the others are numbered anew, as
    if those had not been declared. Which they are follows from what was asked for, not from errors.
    """

    rule: Spending
    """Of the looks that can give a word."""
    silent: frozenset[int]
    """Numbers of those that cannot."""

    def overall(self, p_value: float, look: int) -> float:
        return 1.0 if look in self.silent else self.rule.overall(p_value, self._place(look))

    def tail(self, alpha: float, look: int) -> float:
        return self.rule.tail(alpha, max(1, self._place(look)))

    def tail_at_the_end(self, alpha: float, look: int) -> float:
        return self.rule.tail_at_the_end(alpha, max(1, self._place(look)))

    def spent(self, look: int) -> float:
        place = self._place(look)
        return self.rule.spent(place) if place else 0.0

    def _place(self, look: int) -> int:
        """How many looks that can give a word there are up to this one."""
        return look - sum(silent <= look for silent in self.silent)


def spending(looks: Sequence[int]) -> Spending:
    """The rule of a study with these declared looks, or with none."""
    return Linear(tuple(looks)) if looks else Halving()


def _log(value: float) -> float:
    return float(np.log(max(value, 1e-300)))


@cache
def _levels(looks: tuple[int, ...]) -> Values:
    """(alphas, looks): one-sided levels that together spend each of ``_ALPHAS``."""
    return np.array([_levels_of(float(alpha), looks) for alpha in _ALPHAS])


def _levels_of(alpha: float, looks: tuple[int, ...]) -> Values:
    """One-sided levels of all looks (Armitage, McPherson & Rowe 1969).

    ``density`` is that of the motion at the last look, among the paths that have not crossed.
    """
    times = np.array(looks) / looks[-1]
    spent = alpha * np.diff(times, prepend=0.0)
    levels = [spent[0]]
    bound = -scipy.special.ndtri(spent[0]) * np.sqrt(times[0])
    nodes = np.linspace(-_FAR * np.sqrt(times[0]), bound, _NODES)
    density = _normal(nodes / np.sqrt(times[0])) / np.sqrt(times[0])
    for before, now, share in zip(times[:-1], times[1:], spent[1:], strict=True):
        step = np.sqrt(now - before)
        mass = density * _trapezoid(nodes)

        def crossing(at: float, x: Values = nodes, m: Values = mass, s: float = step) -> float:
            return float(scipy.special.ndtr((x - at) / s) @ m)

        far = _FAR * np.sqrt(now)
        bound = scipy.optimize.brentq(
            lambda at, goal=share, f=crossing: np.log(f(at) + 1e-300) - np.log(goal), -far, far
        )
        levels.append(scipy.special.ndtr(-bound / np.sqrt(now)))
        later = np.linspace(-far, bound, _NODES)
        density = _normal((later[:, None] - nodes[None, :]) / step) @ mass / step
        nodes = later
    return np.array(levels)


def _normal(at: Values) -> Values:
    return np.asarray(np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi))


def _trapezoid(nodes: Values) -> Values:
    weights = np.full(len(nodes), nodes[1] - nodes[0])
    weights[[0, -1]] /= 2
    return weights
