"""What the screen says at the end of a study: its nets, and a line a claim, in 80 columns.

Every number is one of the page's: of its tables, or of ``claims.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from textwrap import wrap

from vgglab.report.setup import progress
from vgglab.report.tables import seeds_trained
from vgglab.report.verdicts import our_numbers, word
from vgglab.report.wording import (
    HARD_SPACE,
    INTERVAL,
    MINUS,
    NONE,
    ArmNames,
    compared,
    grouped,
    number,
    plural,
    setting_label,
    signed,
    signed_span,
    span,
)
from vgglab.study import ClaimRecord, ClaimsFile, StudyView, Summary, arms, costs, summarise
from vgglab.study.claims.directions import DIRECTIONS
from vgglab.study.claims.verdict import Verdict

COLUMNS = 80
_GAP = 2
_LEAST = 8
"""Characters of a column that has to give way."""
_NAME = 20
"""Of the first one, before others give way too."""
ASCII = str.maketrans({MINUS: "-", NONE: "-", HARD_SPACE: " "})
"""A pipe may know no other characters."""


def screen_lines(view: StudyView, record: ClaimsFile) -> list[str]:
    """The findings of a study as lines of plain text, of at most ``COLUMNS`` characters.

    Args:
        view: the study.
        record: its judged claims, as in ``claims.json``.
    """
    parts = [wrap(progress(view), COLUMNS), _nets(view), _claims(record["claims"])]
    return ["", *paragraphs(parts)]


def paragraphs(parts: Iterable[Sequence[str]]) -> list[str]:
    """The lines of all parts that have any, an empty one between two of them, for any pipe."""
    return [line.translate(ASCII) for part in parts if part for line in ("", *part)][1:]


def _nets(view: StudyView) -> list[str]:
    """The arms under the first protocol of the page, and which others it has."""
    summaries = summarise(view)
    protocols = list(dict.fromkeys(s.protocol for s in summaries))
    names, cost_of = ArmNames(arms(view).values()), {cost.arm: cost for cost in costs(view)}
    seconds = {arm: c.train_seconds.mean for arm, c in cost_of.items() if c.train_seconds}
    decimals = 2 if any(value < 60 for value in seconds.values()) else 1
    rows = [
        [
            names(s.arm),
            grouped(s.weight_layers),
            number(s.top1.mean if s.top1 else None),
            span(s.top1.interval if s.top1 else None),
            _seeds(s),
            number(seconds[s.arm] / 60, decimals) if s.arm in seconds else NONE,
        ]
        for s in summaries
        if s.protocol == protocols[0]
    ]
    header = ["net", "layers", "error, %", INTERVAL, "seeds", "min/run"]
    lines = text_table(header, rows, words={0})
    if others := protocols[1:]:
        text = (
            f"Protocol {protocols[0]}; the page has {plural(len(others), 'protocol')} more: "
            f"{', '.join(others)}."
        )
        lines += wrap(text, COLUMNS)
    return lines


def _seeds(summary: Summary) -> str:
    """``3``; ``2 of 3 (1 diverged)`` where a seed has not trained."""
    return str(summary.asked) if summary.trained == summary.asked else seeds_trained(summary)


def _claims(claims: Sequence[ClaimRecord]) -> list[str]:
    if not claims:
        return ["No claim was put to this study."]
    header = ["claim", "word", "points", INTERVAL, "the paper, %"]
    lines = text_table(header, [_claim(claim) for claim in claims], words={0, 1, 4})
    if any(word(claim) != claim["verdict"] for claim in claims):
        lines.append("* of runs that trained: others did not")
    return lines + _why_open(claims)


def _claim(claim: ClaimRecord) -> list[str]:
    counts_runs = DIRECTIONS[claim["direction"]].counts_runs
    what = our_numbers(claim) if counts_runs else compared(claim, brief=True)
    setting = setting_label(claim["setting"])
    return [
        f"{claim['claim'].replace('_', ' ')}: {what}" + (f", {setting}" if setting else ""),
        claim["verdict"] + ("*" if word(claim) != claim["verdict"] else ""),
        *effect_and_interval(claim),
        " ".join(number(error, 1) for error in claim["paper"]["errors"]) or NONE,
    ]


def effect_and_interval(claim: ClaimRecord) -> tuple[str, str]:
    """The effect and its interval: points, or of a claim on the best place, places."""
    effect, best = claim["effect"], claim["best"]
    if best:
        place = best["place"]
        return (NONE if place is None else f"at {place:g}"), best["text"] or NONE
    return (
        signed(effect["mean"] if effect else None),
        signed_span(effect["interval"] if effect else None),
    )


def _why_open(claims: Sequence[ClaimRecord]) -> list[str]:
    """The reason that all claims without a word share, such as one seed; else the page has them."""
    reasons = {c["reason"] for c in claims if c["verdict"] == Verdict.INCONCLUSIVE}
    (reason,) = reasons if len(reasons) == 1 else ("",)
    return wrap(f"inconclusive: {reason}", COLUMNS) if reason else []


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], words: set[int]) -> list[str]:
    """Rows under their header; a cell that is wider than its column goes on below itself.

    Args:
        header: a name a column.
        rows: of cells.
        words: columns that are set left; the others are set right.
    """
    widths = _fitted([max(map(len, cells)) for cells in zip(header, *rows, strict=True)])
    lines = []
    for row in (header, *rows):
        cells = [
            wrap(text, width, subsequent_indent="" if i else "  ") or [""]
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        for parts in zip_longest(*cells, fillvalue=""):
            placed = (
                part.ljust(width) if i in words else part.rjust(width)
                for i, (part, width) in enumerate(zip(parts, widths, strict=True))
            )
            lines.append((" " * _GAP).join(placed).rstrip())
    return lines


def _fitted(widths: list[int]) -> list[int]:
    """Widths that fit the screen: the first column gives way, then whichever is widest."""
    widths = list(widths)
    while sum(widths) + _GAP * (len(widths) - 1) > COLUMNS:
        place = 0 if widths[0] > _NAME else widths.index(max(widths))
        if widths[place] <= _LEAST:
            break
        widths[place] -= 1
    return widths
