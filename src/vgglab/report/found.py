"""Section that opens the page: a few sentences a topic, and the figure of error against depth.

Every number of the sentences is one of ``claims.json``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from vgglab.config.claims import PLACES, BestPlace, Topic
from vgglab.report.blocks import Found, Section
from vgglab.report.error_vs_depth import first_depth_figure
from vgglab.report.results import Results
from vgglab.report.verdicts import our_numbers, word
from vgglab.report.wording import (
    MINUS,
    averaged,
    compared,
    less_or_more,
    setting_label,
    side_labels,
    signed,
    signed_span,
    unit_of,
    unsigned_span,
)
from vgglab.study import ClaimRecord, ClaimsFile
from vgglab.study.claims.directions import DIRECTIONS
from vgglab.study.claims.evidence import Direction
from vgglab.study.claims.verdict import Verdict
from vgglab.study.claims.wanted import shown_seeds
from vgglab.study.fits import FitRecord

TOPICS: dict[Topic, str] = {
    "depth": "Depth",
    "lrn": "Local response normalisation",
    "filters": "Size of filters",
    "scale": "Training scale",
    "testing": "Ways of testing",
    "norm": "Batch norm",
    "other": "Other questions",
}
"""In the order of the page."""
MOST = 4
"""Sentences of a topic; of what is beyond them their words are counted."""


def found_section(
    results: Results, record: ClaimsFile, fits: Sequence[FitRecord] = ()
) -> Section | None:
    """What a study found.

    Args:
        results: of the study.
        record: its judged claims.
        fits: along its orders.

    Returns:
        None of a study that asks nothing and has no two nets of the depth series.
    """
    block = Found(topics(record["claims"]), first_depth_figure(results, fits))
    return Section("found", "What was found", [block]) if block.topics or block.figure else None


def topics(claims: Sequence[ClaimRecord]) -> list[tuple[str, str]]:
    """Each topic that a study asks about, and what it found on it."""
    of_topic: dict[str, list[ClaimRecord]] = defaultdict(list)
    for claim in claims:
        of_topic[claim["about"]].append(claim)
    return [(name, _told(of_topic[key])) for key, name in TOPICS.items() if key in of_topic]


def _told(claims: Sequence[ClaimRecord]) -> str:
    sentences, before = [], ""
    for claim in claims[:MOST]:
        why = _why(claim)
        sentences.append(sentence(claim, "for the same reason" if why and why == before else ""))
        before = why
    if others := claims[MOST:]:
        words = Counter(_word(claim) for claim in others)
        counted = ", ".join(f"{count} {text}" for text, count in words.items())
        sentences.append(f"{len(others)} more stand in the table of verdicts: {counted}.")
    return " ".join(sentences)


def sentence(claim: ClaimRecord, instead: str = "") -> str:
    """``C has 2.16 points more error than B (1.10 to 3.22): that C has the lower error is
    contradicted.``

    ``instead``: said in place of the grounds of its word.
    """
    direction, labels = direction_of(claim), side_labels(claim)
    setting = setting_label(claim["setting"])
    parts = [f"with {setting}, " if setting else "", _numbers(claim)]
    parts.append(f"that {direction.clause(labels, claim['margin'])} is {_word(claim)}")
    if why := instead or _why(claim):
        parts.append(f", {why}" if instead else f" ({why})")
    text = f"{''.join(parts)}."
    return text[0].upper() + text[1:]


def direction_of(claim: ClaimRecord) -> Direction:
    """The direction of a claim, aimed at the place that it names where it names one."""
    best = claim["best"]
    named = BestPlace(**{name: best[name] for name in PLACES}) if best else None  # type: ignore[literal-required]
    return DIRECTIONS[claim["direction"]].aimed(named)


def _why(claim: ClaimRecord) -> str:
    """The grounds of a word where the effect alone does not say them; what an open one takes."""
    if claim["reason"] or claim["verdict"] != Verdict.INCONCLUSIVE:
        return claim["reason"]
    return _would_settle(claim)


def _numbers(claim: ClaimRecord) -> str:
    """The difference with its interval, before a colon; empty where there is none."""
    direction, effect = DIRECTIONS[claim["direction"]], claim["effect"]
    if claim["best"]:
        return _place(claim)
    if direction.counts_runs:
        return f"trained: {our_numbers(claim)}; "
    if effect is None:
        return ""
    mean, interval = effect["mean"], effect["interval"]
    ends = direction.ends(side_labels(claim))
    if ends is None:
        shown = f" ({signed_span(interval)})" if interval else ""
        return f"{compared(claim)}: {signed(mean)} points{shown}; "
    shown = f" ({unsigned_span(interval)})" if interval else ""
    return f"{ends[0]} has {less_or_more(mean)} error than {ends[1]}{averaged(claim)}{shown}: "


def _place(claim: ClaimRecord) -> str:
    """``of 11, 13, 16, 19 weight layers the least error is at 16; the best is 13 to 16: ``."""
    best = claim["best"]
    if best is None or best["place"] is None:
        return ""
    among = ", ".join(f"{place:g}" for place in sorted(claim["places"]))
    text = f"; the best is {best['text']}" if best["text"] else ""
    return f"of {among} {unit_of(claim)} the least error is at {best['place']:g}{text}: "


def _word(claim: ClaimRecord) -> str:
    return "not settled" if claim["verdict"] == Verdict.INCONCLUSIVE else word(claim)


def _would_settle(claim: ClaimRecord) -> str:
    """What it would take, of a claim whose record gives no other reason."""
    bounds = DIRECTIONS[claim["direction"]].bounds(claim["margin"])
    if claim["best"]:
        return "it takes more seeds, until all places that may be the best are claimed, or none"
    if claim["decisive"] is None or claim["seeds_wanted"] is None:
        return "it takes more runs"
    many = shown_seeds(claim["seeds_wanted"])
    clear_of = " and ".join(f"{bound + 0.0:.3g}".replace("-", MINUS) for bound in bounds)
    return (
        f"it takes more seeds, {many} in all if the difference stays as it is, until the interval "
        f"that counts ({signed_span(claim['decisive'])}) is clear of {clear_of}"
    )
