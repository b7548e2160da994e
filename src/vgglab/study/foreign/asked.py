"""Claims put to the arms of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vgglab.config.names import listed
from vgglab.config.parse import ConfigError
from vgglab.study.claims.comparisons import Comparison, claim_on_named
from vgglab.study.claims.pairing import Cell, Paired, image_sums
from vgglab.study.claims.sides import Side
from vgglab.study.claims.verdict import Judgement, judged_once
from vgglab.study.foreign.arm import ForeignArm

TABLE = "table"
"""What stands in a comparison and in a ledger for the way of testing, which is not known."""


@dataclass(frozen=True)
class Asked:
    """A claim on arms of a table, and its verdict."""

    arms: tuple[str, ...]
    judgement: Judgement


def judge_table(
    arms: Sequence[ForeignArm], compare: Sequence[str], direction: str, margin: float
) -> list[Asked]:
    """The verdicts on the arms that are named, or on each against the first of the table.

    All are corrected for each other (Holm), as asked once: a table that grows and is asked again
    is another look, which is not counted.

    Args:
        arms: of a table.
        compare: names of arms in the order of the claim; empty: each against the first one.
        direction: of the claim.
        margin: in the unit of the errors.

    Raises:
        ConfigError: an arm is not there, or the direction takes others.
    """
    by_name = {arm.name: arm for arm in arms}
    for name in compare:
        if name not in by_name:
            raise ConfigError(f"judge.compare: {name}: must be {listed(list(by_name))}")
    first, *others = by_name
    groups = [tuple(compare)] if compare else [(name, first) for name in others]
    if not groups:
        raise ConfigError(f"table: has one arm, {first}; a claim compares two")
    asked = [_asked([by_name[name] for name in group], direction, margin) for group in groups]
    return [
        Asked(group, judgement) for group, judgement in zip(groups, judged_once(asked), strict=True)
    ]


def _asked(arms: Sequence[ForeignArm], direction: str, margin: float) -> tuple[Comparison, Paired]:
    try:
        claim = claim_on_named(direction, len(arms), margin, "the command's")
    except ValueError as error:
        problem = str(error).partition("Value error, ")[2].partition(" [type=")[0]
        raise ConfigError(f"judge: {problem or error}") from error
    sides = tuple(Side({}, "", ({},)) for _ in arms)
    return Comparison(TABLE, claim, {}, (), sides), paired_of(arms)


def paired_of(arms: Sequence[ForeignArm]) -> Paired:
    """The errors of arms as a claim is tested on them, each arm a side.

    No two arms are paired by seed. Where all runs tell which images they got wrong, of the same
    images, the images' luck is the one that they share.
    """
    sums, shared = image_sums([[arm.mistakes.get(seed) for seed in arm.errors] for arm in arms])
    counts = [arm.images for arm in arms if arm.images]
    return Paired(
        cells=tuple(
            Cell(
                side=place,
                average=0,
                weights=place,
                seeds=tuple(arm.errors),
                untrained=arm.untrained,
                errors_s=np.array([*arm.errors.values()], dtype=np.float64),
                sums_so=sums_so,
            )
            for place, (arm, sums_so) in enumerate(zip(arms, sums, strict=True))
        ),
        sides=len(arms),
        waiting=(),
        places=tuple(map(float, range(len(arms)))),
        images=shared or (min(counts) if len(counts) == len(arms) else None),
    )
