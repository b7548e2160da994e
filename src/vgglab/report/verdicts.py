"""Section: the verdict on each claim. Every number is one of ``claims.json``."""

from __future__ import annotations

from collections.abc import Sequence

from vgglab.report.blocks import Block, Bullets, Cell, Paragraph, Section, Table
from vgglab.report.wording import (
    HARD_SPACE,
    INTERVAL,
    NONE,
    compared,
    number,
    other_states,
    p_text,
    plural,
    setting_label,
    side_labels,
    signed,
    signed_span,
)
from vgglab.study import ClaimRecord, ClaimsFile

MARKS = {
    "supported": "\N{CHECK MARK}",
    "contradicted": "\N{MULTIPLICATION X}",
    "inconclusive": "?",
}
CLAIM_COLUMNS = (
    "claim", "statement", "paper", "ours", "difference", "mean", "low", "high", "p_holm",
    "verdict", "seeds", "seeds_to_settle", "reason",
)  # fmt: skip
COLUMNS = ("claim", "the paper", "ours", f"difference, points ({INTERVAL})", "verdict", "seeds")


def verdict_section(record: ClaimsFile) -> Section:
    """The verdict table, what is behind each word, and the claims that nothing here answers."""
    blocks: list[Block] = []
    if record["claims"]:
        blocks.append(verdict_table(record))
        blocks.append(Bullets([reason(claim) for claim in record["claims"]]))
    else:
        blocks.append(Paragraph("No claim was put to this study."))
    if record["not_asked"]:
        names = ", ".join(n["claim"].replace("_", " ") for n in record["not_asked"])
        blocks.append(
            Paragraph(f"Not asked here, for want of points (claims.json says which): {names}.")
        )
    return Section("claims", "Verdicts", blocks)


def verdict_table(record: ClaimsFile) -> Table:
    """A row a claim, in the order of the claims."""
    rows: list[Sequence[Cell | str]] = []
    for claim in record["claims"]:
        verdict = claim["verdict"]
        rows.append(
            [
                statement(claim),
                paper_numbers(claim),
                our_numbers(claim),
                _effect(claim),
                Cell(f"{MARKS[verdict]} {verdict}", kind=verdict),
                seeds_counted(claim),
            ]
        )
    caption = (
        "Errors are percentages, differences percentage points; negative: the first named has the "
        f"lower error. Verdicts hold together: the chance of any false one is {record['alpha']:.0%}"
        f" (Holm's correction over {plural(record['family'], 'claim')}), the intervals are each "
        "claim's own. The paper's numbers are of ImageNet: the claim is put to our data, its size "
        "is not."
    )
    return Table(COLUMNS, rows, caption, words=frozenset({0, 1, 2, 3, 4, 5}), stacked=True)


def claim_rows(record: ClaimsFile) -> list[list[str | int | float | None]]:
    """The claims as plain rows of ``CLAIM_COLUMNS``, for whoever tabulates them anew."""
    rows: list[list[str | int | float | None]] = []
    for claim in record["claims"]:
        effect = claim["effect"]
        low, high = (effect["interval"] if effect else None) or (None, None)
        rows.append(
            [
                *(claim["claim"], statement(claim), paper_numbers(claim), our_numbers(claim)),
                *(
                    compared(claim),
                    effect["mean"] if effect else None,
                    low,
                    high,
                    claim["p_holm"],
                    claim["verdict"],
                ),
                *(len(claim["seeds"]["used"]), claim["seeds_to_settle"], claim["reason"]),
            ]
        )
    return rows


def statement(claim: ClaimRecord) -> str:
    """The claim, with its setting where the study has several, and whose it is."""
    setting = setting_label(claim["setting"])
    text = claim["statement"] + (f" ({setting})" if setting else "")
    return text if claim["origin"] == "paper" else f"{text} [ours, not the paper's]"


def paper_numbers(claim: ClaimRecord) -> str:
    """``A-LRN 29.7, A 29.6 (4.1, Table 3)``."""
    paper = claim["paper"]
    labels = side_labels(claim)
    errors = ", ".join(
        f"{label}{HARD_SPACE}{number(error, 1)}"
        for label, error in zip(labels, paper["errors"], strict=False)
    )
    where = f"section {paper['section']}" if paper["section"] else ""
    return "; ".join(part for part in (errors, paper["note"], where) if part) or NONE


def our_numbers(claim: ClaimRecord) -> str:
    """``A-LRN 14.38, A 13.37``: means of the runs that trained."""
    labels = side_labels(claim)
    return ", ".join(
        f"{label}{HARD_SPACE}{number(side['error'])}"
        for label, side in zip(labels, claim["sides"], strict=True)
    )


def _effect(claim: ClaimRecord) -> str:
    effect = claim["effect"]
    if effect is None:
        return NONE
    shown = f"{compared(claim)}: {signed(effect['mean'])}"
    if effect["interval"] is None:
        return f"{shown} (no interval)"
    return f"{shown} ({signed_span(effect['interval'])})"


def seeds_counted(claim: ClaimRecord) -> str:
    """``5``; ``5: E 3 of 5 trained (2 diverged)`` where runs did not."""
    sides = claim["sides"]
    used = len(claim["seeds"]["used"])
    settled = claim["seeds_to_settle"]
    more = f"; {settled} would settle it" if settled else ""
    if all(side["trained"] == side["asked"] for side in sides):
        return f"{used}{more}"
    lacking = [
        f"{label} {side['trained']} of {side['asked']} trained{other_states(side['states'])}"
        for label, side in zip(side_labels(claim), sides, strict=True)
        if side["trained"] < side["asked"]
    ]
    return f"{used}: {', '.join(lacking)}{more}"


def reason(claim: ClaimRecord) -> str:
    """The grounds of a verdict in a sentence."""
    setting = setting_label(claim["setting"])
    where = f"{compared(claim)}{f' ({setting})' if setting else ''}"
    parts = [f"{where}: {claim['verdict']}"]
    effect = claim["effect"]
    if effect and effect["interval"]:
        parts.append(f"{p_text(claim['p_value'])}, {p_text(claim['p_holm'])} after correction")
    if claim["reason"]:
        parts.append(claim["reason"])
    if claim["relative"] is not None:
        parts.append(f"{signed(claim['relative'], 1)}% of the error of {side_labels(claim)[1]}")
    if claim["margin"]:
        parts.append(f"margin {claim['margin']:g} points: {claim['margin_reason']}")
    parts += _caveats(claim)
    return "; ".join(parts) + "."


def _caveats(claim: ClaimRecord) -> list[str]:
    found = []
    seeds, among, effect = claim["seeds"], claim["among_trained"], claim["effect"]
    if seeds["untrained"]:
        text = (
            f"nets that did not learn count as guessing ({plural(len(seeds['untrained']), 'seed')})"
        )
        if among:
            text += f"; among the seeds in which all learned {signed(among['mean'])}"
            if among["interval"]:
                text += f" ({signed_span(among['interval'])})"
        found.append(text)
    if seeds["unpaired"]:
        found.append(f"{plural(len(seeds['unpaired']), 'seed')} not on every side, left out")
    if effect and effect["interval"] and not effect["paired_by_image"]:
        found.append(
            "predictions are lacking, so the test images' part is its upper bound"
            if effect["images"]
            else "the number of test images is not known, so the interval covers the seeds only"
        )
    return found
