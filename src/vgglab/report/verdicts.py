"""Section: the verdict on each claim. Every number is one of ``claims.json``."""

from __future__ import annotations

from collections.abc import Sequence

from vgglab.report.blocks import Block, Bullets, Cell, Paragraph, Section, Table
from vgglab.report.wording import (
    HARD_SPACE,
    INTERVAL,
    NONE,
    best_of_claim,
    compared,
    ends_of,
    number,
    other_states,
    p_text,
    plural,
    setting_label,
    side_labels,
    signed,
    signed_span,
    unit_of,
)
from vgglab.study import ClaimRecord, ClaimsFile
from vgglab.study.claims.best import range_text
from vgglab.study.claims.directions import DIRECTIONS
from vgglab.study.claims.sides import LAYERS

MARKS = {
    "supported": "\N{CHECK MARK}",
    "contradicted": "\N{MULTIPLICATION X}",
    "inconclusive": "?",
}
CLAIM_COLUMNS = (
    "claim", "statement", "paper", "ours", "difference", "mean", "low", "high", "p_holm",
    "verdict", "seeds", "look", "reason",
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
                Cell(f"{MARKS[verdict]} {word(claim)}", kind=verdict),
                seeds_counted(claim),
            ]
        )
    looks = f", and over all {len(record['looks'])} declared looks" if record["looks"] else ""
    caption = (
        "Errors are percentages, differences percentage points; negative: the first named has the "
        f"lower error. At most {record['alpha']:.0%} of studies like this one show any false word "
        f"(Holm's correction over {plural(record['family'], 'claim')}{looks}), given that runs "
        "with other seeds are like these. The intervals are each claim's own. The paper's numbers "
        "are of ImageNet: the claim is put to our data, its size is not."
    )
    return Table(COLUMNS, rows, caption, words=frozenset({0, 1, 2, 3, 4, 5}), stacked=True)


def claim_rows(record: ClaimsFile) -> list[list[str | int | float | None]]:
    """The claims as plain rows of ``CLAIM_COLUMNS``, for whoever tabulates them anew."""
    rows: list[list[str | int | float | None]] = []
    for claim in record["claims"]:
        effect, best = claim["effect"], claim["best"]
        low, high = (effect["interval"] if effect else None) or (None, None)
        mean = effect["mean"] if effect else None
        if best:  # places along the order
            mean, (low, high) = best["place"], ends_of(best) or (None, None)
        rows.append(
            [
                *(claim["claim"], statement(claim), paper_numbers(claim), our_numbers(claim)),
                *(
                    compared(claim),
                    mean,
                    low,
                    high,
                    claim["p_holm"],
                    claim["verdict"],
                ),
                *(len(claim["seeds"]["used"]), claim["look"], claim["reason"]),
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
    """``A-LRN 14.38, A 13.37``: means of the runs that trained, or how many did."""
    labels = side_labels(claim)
    if DIRECTIONS[claim["direction"]].counts_runs:
        return ", ".join(
            f"{label}{HARD_SPACE}{side['trained']} of {side['trained'] + side['untrained']}"
            for label, side in zip(labels, claim["sides"], strict=True)
        )
    return ", ".join(
        f"{label}{HARD_SPACE}{number(side['error'])}"
        for label, side in zip(labels, claim["sides"], strict=True)
    )


def _effect(claim: ClaimRecord) -> str:
    if claim["best"]:
        return f"{compared(claim)}: {best_of_claim(claim)}"
    effect = claim["effect"]
    if effect is None:
        return NONE
    shown = f"{compared(claim)}: {signed(effect['mean'])}"
    if effect["interval"] is None:
        return f"{shown} (no interval)"
    return f"{shown} ({signed_span(effect['interval'])})"


def word(claim: ClaimRecord) -> str:
    """``supported``; ``supported, of runs that trained`` where some did not."""
    verdict = claim["verdict"]
    only = claim["of_trained_runs"] and verdict != "inconclusive"
    return f"{verdict}, of runs that trained" if only else verdict


def seeds_counted(claim: ClaimRecord) -> str:
    """``5``; ``5: E 3 of 5 trained (2 diverged)`` where runs did not."""
    sides = claim["sides"]
    used = len(claim["seeds"]["used"])
    lacking = [
        f"{label} {side['trained']} of {side['asked']} trained{other_states(side['states'])}"
        for label, side in zip(side_labels(claim), sides, strict=True)
        if side["trained"] < side["asked"]
    ]
    return f"{used}: {', '.join(lacking)}" if lacking else f"{used}"


def reason(claim: ClaimRecord) -> str:
    """The grounds of a verdict in a sentence."""
    setting = setting_label(claim["setting"])
    where = f"{compared(claim)}{f' ({setting})' if setting else ''}"
    parts = [f"{where}: {word(claim)}"]
    if claim["decisive"] or DIRECTIONS[claim["direction"]].counts_runs:
        parts.append(f"{p_text(claim['p_value'])}, {p_text(claim['p_holm'])} after correction")
    if claim["reason"]:
        parts.append(claim["reason"])
    parts += _decisive(claim)
    if claim["relative"] is not None:
        parts.append(f"{signed(claim['relative'], 1)}% of the error of {side_labels(claim)[1]}")
    if claim["margin"]:
        share = f", {claim['margin_share']:g}% of the error of {_reference(claim)}"
        unit = unit_of(claim) if claim["best"] else "points"
        points = f"margin {claim['margin']:.3g} {unit}{share if claim['margin_share'] else ''}"
        parts.append(f"{points}: {claim['margin_reason']}")
    parts += _untrained(claim) + _caveats(claim)
    return "; ".join(parts) + "."


def _reference(claim: ClaimRecord) -> str:
    return side_labels(claim)[DIRECTIONS[claim["direction"]].reference]


def _decisive(claim: ClaimRecord) -> list[str]:
    """The interval that decides, where the claim's own one would suggest another word."""
    effect, decisive, best = claim["effect"], claim["decisive"], claim["best"]
    if best and decisive and list(decisive) != list(ends_of(best) or ()):
        among = range_text(decisive, sorted(claim["places"]))
        return [f"the best that counts, all claims together, is {among}"]
    if not effect or not effect["interval"] or not decisive:
        return []
    bounds = DIRECTIONS[claim["direction"]].bounds(claim["margin"])
    own, counts = (
        not any(low <= bound <= high for bound in bounds)
        for low, high in (effect["interval"], decisive)
    )
    if own == counts:
        return []
    return [f"the interval that counts, all claims together, is {signed_span(decisive)}"]


def _untrained(claim: ClaimRecord) -> list[str]:
    """Runs that did not train, where there are any or the claim is about them."""
    if not claim["of_trained_runs"] and not DIRECTIONS[claim["direction"]].counts_runs:
        return []
    shares = []
    for label, side in zip(side_labels(claim), claim["sides"], strict=True):
        runs, share = side["trained"] + side["untrained"], side["untrained_share"]
        if share:
            spread = (
                f"{share[0]:.0f} to {share[1]:.0f}%" if share[0] else f"at most {share[1]:.0f}%"
            )
            shares.append(f"{label} {side['untrained']} of {runs} ({spread})")
    return [f"did not train: {', '.join(shares)}"] if shares else []


def _caveats(claim: ClaimRecord) -> list[str]:
    found = []
    effect = claim["effect"]
    if claim["direction"] == "falls" and effect:
        places = ", ".join(f"{place:g}" for place in claim["places"])
        where = {LAYERS: f" {LAYERS}", "": ", as the claim names the sides"}
        found.append(f"the line is fitted at {places}{where.get(unit_of(claim), '')}")
    if effect and effect["interval"] and not effect["paired_by_image"]:
        found.append(
            "predictions are lacking, so the test images' part is its upper bound"
            if effect["images"]
            else "the number of test images is not known, so the interval covers the seeds only"
        )
    return found
