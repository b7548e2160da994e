"""The difference between two arms, paired by seed."""

from __future__ import annotations

from dataclasses import dataclass

from vgglab.study.arm import Arm
from vgglab.study.estimate import Estimate, estimate
from vgglab.study.summary import ErrorName, Summary


@dataclass(frozen=True)
class Difference:
    """Error of ``first`` minus error of ``second``, percentage points."""

    first: Arm
    second: Arm
    by_seed: dict[int, float]
    """Seed -> difference, of the seeds that trained in both."""
    unpaired: tuple[int, ...]
    """Seeds that trained in one of the two only: left out."""

    @property
    def estimate(self) -> Estimate | None:
        """Mean difference and paired t-interval; None without a pair."""
        return estimate(self.by_seed.values())

    @property
    def excludes_zero(self) -> bool | None:
        """Whether the interval does; None without an interval."""
        found = self.estimate
        if found is None or found.interval is None:
            return None
        low, high = found.interval
        return low > 0 or high < 0


def paired_difference(
    first: Summary, second: Summary, error: ErrorName = "top1_error"
) -> Difference:
    """``first`` minus ``second`` for each seed that both have, under one protocol.

    A pair shares the seed's sample order and augmentation and the test images, so what they add
    to both errors cancels.

    Raises:
        ValueError: the two differ in more or less than one of model, norm, init and variant, or
            in the protocol: the difference would have no single name.
    """
    factors = first.arm.differs_from(second.arm)
    if len(factors) != 1:
        raise ValueError(
            f"{first.arm} and {second.arm}: must differ in exactly one of model, norm, init and "
            f"variant, and differ in {', '.join(factors) or 'none'}"
        )
    if first.protocol != second.protocol:
        raise ValueError(f"protocol {first.protocol!r} and {second.protocol!r}: must be the same")
    left: dict[int, float] = dict(getattr(first, error))
    right: dict[int, float] = dict(getattr(second, error))
    return Difference(
        first=first.arm,
        second=second.arm,
        by_seed={seed: left[seed] - right[seed] for seed in sorted(left.keys() & right.keys())},
        unpaired=tuple(sorted(left.keys() ^ right.keys())),
    )
