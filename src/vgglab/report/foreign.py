"""What is said of a table of others' runs: its arms, a word a claim, and what is not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import wrap
from typing import Any

import numpy as np

from vgglab.report.screen import ASCII, COLUMNS, paragraphs, text_table
from vgglab.report.wording import INTERVAL, NONE, decimals_of, number, p_text, plural, signed
from vgglab.study.claims.wanted import seeds_wanted, shown_seeds
from vgglab.study.estimate import ERRORS, estimate
from vgglab.study.foreign.arm import ForeignArm, share_images
from vgglab.study.foreign.asked import Asked


def rows(asked: Sequence[Asked]) -> list[dict[str, Any]]:
    """A row a claim, for a script.

    ``low`` and ``high`` are the interval from which its word follows, corrected for the others;
    ``low_95`` and ``high_95`` that of the claim by itself.
    """
    return [_row(one, len(asked)) for one in asked]


def document(
    arms: Sequence[ForeignArm], asked: Sequence[Asked], left_out: str = ""
) -> dict[str, Any]:
    """Arms, claims, and what is not known, as one JSON object.

    Args:
        arms: of the table.
        asked: claims that were put to them.
        left_out: a sentence on runs that are not among them.
    """
    return {
        "arms": [
            {
                "arm": arm.name,
                "errors": dict(arm.errors),
                "untrained": list(arm.untrained),
                "mean": arm.mean,
                "images": arm.images,
            }
            for arm in arms
        ],
        "claims": rows(asked),
        "not_known": _not_known(arms),
        "left_out": left_out,
    }


def _row(asked: Asked, family: int) -> dict[str, Any]:
    found = asked.judgement
    effect = found.evidence.effect
    low, high = found.decisive or (None, None)
    low_95, high_95 = (effect.interval if effect else None) or (None, None)
    return {
        "claim": found.direction.clause(asked.arms, found.margin),
        "compared": found.direction.effect_label(asked.arms).translate(ASCII),
        "word": str(found.verdict),
        "difference": effect.mean if effect else None,
        "low": low,
        "high": high,
        "low_95": low_95,
        "high_95": high_95,
        "p_holm": found.p_holm,
        "seeds": found.evidence.seeds,
        "wanted": seeds_wanted(found, family, counts_looks=False),
        "reason": found.reason,
    }


def lines(arms: Sequence[ForeignArm], asked: Sequence[Asked], left_out: str = "") -> list[str]:
    """The same as plain text of at most ``COLUMNS`` characters a line.

    Args:
        arms: of the table.
        asked: claims that were put to them.
        left_out: a sentence on runs that are not among them.
    """
    decimals, found = _decimals(asked), rows(asked)
    parts = [_arms(arms, decimals), _claims(found, decimals), _reasons(found)]
    return paragraphs(
        [*parts, *(wrap(sentence, COLUMNS) for sentence in [*_not_known(arms), left_out])]
    )


def _decimals(asked: Sequence[Asked]) -> int:
    found = [one.judgement.evidence.effect for one in asked]
    return decimals_of(effect.interval for effect in found if effect and effect.interval)


def _ends(
    interval: tuple[float, float] | None, decimals: int, spelled: Callable[[float, int], str]
) -> str:
    return NONE if interval is None else " to ".join(spelled(end, decimals) for end in interval)


def _arms(arms: Sequence[ForeignArm], decimals: int) -> list[str]:
    header = ["arm", "error", INTERVAL, "runs", "images"]
    table = []
    for arm in arms:
        found = estimate(arm.errors.values(), **({"within": ERRORS} if arm.images else {}))
        runs = len(arm.errors) + len(arm.untrained)
        table.append(
            [
                arm.name,
                number(found.mean if found else None, decimals),
                _ends(found.interval if found else None, decimals, number),
                f"{len(arm.errors)} of {runs}" if arm.untrained else str(runs),
                f"{arm.images:,}" if arm.images else "unknown",
            ]
        )
    return text_table(header, table, words={0})


def _claims(found: Sequence[Mapping[str, Any]], decimals: int) -> list[str]:
    header = ["claim", "word", "difference", INTERVAL, "p, corrected"]
    table = [
        [
            f"{row['claim']}: {row['compared']}",
            row["word"],
            signed(row["difference"], decimals),
            _ends(_interval(row), decimals, signed),
            p_text(row["p_holm"]) if _interval(row) else "",
        ]
        for row in found
    ]
    return text_table(header, table, words={0, 1})


def _interval(row: Mapping[str, Any]) -> tuple[float, float] | None:
    return None if row["low_95"] is None else (row["low_95"], row["high_95"])


def _reasons(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why a claim has no word, and how many seeds it would take."""
    text = []
    for row in found:
        parts = [row["reason"]] if row["reason"] else []
        if row["wanted"] is not None:
            parts.append(f"a word would take {shown_seeds(row['wanted'])} seeds an arm")
        if parts:
            text += wrap(f"{row['claim']}: {'; '.join(parts)}", COLUMNS)
    return text


def _not_known(arms: Sequence[ForeignArm]) -> list[str]:
    """What a table does not say and a study does."""
    found = [
        "Not known: in what else the arms differ, so that a word is about these arms and not about "
        "a cause; whether equal seeds are equal first weights, so that no runs are paired by seed.",
        _of_images(arms),
    ]
    if failed := sum(len(arm.untrained) for arm in arms):
        found.append(f"{plural(failed, 'run')} without an error: the words are about the others.")
    return found


def _of_images(arms: Sequence[ForeignArm]) -> str:
    if share_images(arms):
        shared = "All runs have the same test images: the luck on them that they share cancels."
        known = [found for arm in arms for found in arm.mistakes.values()]
        if any(len(np.unique(of.original_n)) < len(of.original_n) for of in known):
            return shared
        return f"{shared} Whether some were made of one original is not said: each counts."
    if any(arm.mistakes for arm in arms):
        return (
            "Not all runs have the same test images: where the runs of a claim have not, luck on "
            "them counts as if each arm had images of its own."
        )
    if all(arm.images for arm in arms):
        return (
            "Which images are wrong is not known: luck on them counts as if each arm had images "
            "of its own."
        )
    return (
        "How many test images there are is not known: their luck is not counted, and a word "
        "is about this test set alone."
    )
