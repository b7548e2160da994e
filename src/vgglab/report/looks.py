"""Section: when the claims were declared, how often the study was looked at, and its null arm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from vgglab.report.blocks import Block, Bullets, Paragraph, Section, Table
from vgglab.report.results import Results
from vgglab.report.wording import (
    INTERVAL,
    MINUS,
    number,
    plural,
    setting_label,
    signed,
    signed_span,
)
from vgglab.study import ClaimRecord, ClaimsFile, StudyView
from vgglab.study.claims.comparisons import comparisons
from vgglab.study.claims.looks import looks_of, seeds_of_look
from vgglab.study.claims.verdict import Verdict
from vgglab.study.declared import marks, study_marks
from vgglab.study.ledger import LookLine
from vgglab.study.looking import runs_used
from vgglab.study.placebo import NullPair, null_pair, placebo_record


def looks_section(results: Results, claims: ClaimsFile) -> Section | None:
    """The section; None of a study that was neither declared nor looked at."""
    view = results.view
    if not (view.looks or view.placebo or view.ledger or view.declared):
        return None
    blocks: list[Block] = [Bullets(_sentences(view))]
    lines = [line for line in view.ledger if line.look is None or line.look <= view.complete]
    if lines:
        blocks.append(_looks_table(lines))
    if claims["claims"] and view.declared:
        blocks.append(_claims_table(view, claims["claims"]))
    if view.placebo:
        blocks += _placebo(results)
    return Section("looks", "How the study was looked at", blocks)


def _sentences(view: StudyView) -> list[str]:
    found = [_progress(view)]
    if view.declared:
        first = view.declared[0]
        day = datetime.fromtimestamp(first.time, UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0")
        at = f" at commit {first.commit[:12]}" if first.commit else ""
        found.append(f"Its claims were first declared on {day}{at} (declared.jsonl).")
    found += [
        f"Changed since: {mark}." for mark in study_marks(view.claims, view.looks, view.declared)
    ]
    return found


def _progress(view: StudyView) -> str:
    if not view.looks:
        times = max((len(looks_of(view, asked).seeds) for asked in comparisons(view)[0]), default=0)
        text = "No looks were declared: the study is judged with all seeds of its grid"
        if times <= 1:
            return f"{text}, once."
        return (
            f"{text}. A claim was judged {times} times, of other runs or with another question "
            "each time; every further look spends a part of what chance of a false word is left."
        )
    last = len(view.looks)
    declared = f"Looks were declared at {_listed(view.looks)} seeds."
    if not view.complete:
        return (
            f"{declared} The first is not complete: the numbers on this page are provisional, and "
            "no claim has its word."
        )
    used, of = runs_used(view)
    return (
        f"{declared} Look {view.complete} of {last} is complete, with "
        f"{len(seeds_of_look(view, view.complete))} seeds and {used} of the {of} runs that the "
        f"last look would have ({100 * used / of:.0f}%). Nets that no open claim needs are not "
        "trained further."
    )


def _listed(values: Sequence[int]) -> str:
    *most, last = map(str, values)
    return f"{', '.join(most)} and {last}" if most else last


def _looks_table(lines: Sequence[LookLine]) -> Table:
    rows = []
    for place, line in enumerate(lines, 1):
        words = [
            f"{name}: {c.word}" for name, c in line.claims.items() if c.word != Verdict.INCONCLUSIVE
        ]
        rows.append(
            [
                str(line.look or place),
                str(len(line.seeds)),
                str(line.runs),
                number(line.minutes, 1),
                "; ".join(words) or "none",
            ]
        )
    caption = (
        "Minutes are the wall clock of the training that each look added (looks.jsonl). The chance "
        "of any false word over all looks and claims together stays at 5%."
    )
    columns = ["look", "seeds", "runs so far", "minutes", "words by then"]
    return Table(columns, rows, caption, words=frozenset({4}))


def _claims_table(view: StudyView, claims: Sequence[ClaimRecord]) -> Table:
    found = marks(view.claims, view.declared)
    rows = []
    for claim in claims:
        setting = setting_label(claim["setting"])
        rows.append(
            [
                claim["claim"].replace("_", " ") + (f" ({setting})" if setting else ""),
                "; ".join(found[claim["claim"]]),
                claim["verdict"]
                + (f" at look {claim['look']}" if claim["verdict"] != Verdict.INCONCLUSIVE else ""),
                f"{100 * claim['alpha_spent']:.2f}%",
            ]
        )
    caption = (
        "A run had been seen when it had an outcome at the time, whatever study trained it. Chance "
        "spent: of a false word on this claim, over the looks so far."
    )
    columns = ["claim", "declared", "word", "chance spent"]
    return Table(columns, rows, caption, words=frozenset({0, 1, 2}), stacked=True)


def _placebo(results: Results) -> list[Block]:
    view = results.view
    record, pair = placebo_record(view), null_pair(view)
    assert record is not None
    assert pair is not None
    name = results.names(results.arm_of[pair.points[0].id]) if pair.points else record["net"]
    interval, word = record["interval"], record["word"]
    row = [
        f"{name} {MINUS} {name} under other seeds",
        f"{plural(len(record['seeds']), 'seed')} and {len(record['other_seeds'])}",
        f"{signed(record['mean'])} ({signed_span(interval)})",
        word or "no word yet",
    ]
    columns = ["placebo", "compared", f"difference, points ({INTERVAL})", "word"]
    table = Table(columns, [row], words=frozenset({0, 1, 2, 3}))
    return [table, Paragraph(_what_it_means(interval, word, _why_open(pair)))]


def _why_open(null: NullPair) -> str:
    """Why the null arm has no word."""
    if not null.is_complete:
        return "its runs are not all in"
    return (
        "with fewer than two seeds of a side that trained, or errors all alike, no noise is known"
    )


def _what_it_means(interval: Sequence[float] | None, word: str | None, why_open: str) -> str:
    if interval is None or word is None:
        return f"The placebo compares a net with itself under other seeds; {why_open}."
    if word == "shown":
        return (
            "The placebo compares a net with itself under other seeds, and a difference was shown "
            "where there is none. Chance does that in one study of twenty; otherwise runs differ "
            "in more than their seeds, and no word on this page should be relied on before the "
            "cause is known."
        )
    half = (interval[1] - interval[0]) / 2
    if not interval[0] <= 0 <= interval[1]:
        return (
            "The placebo compares a net with itself under other seeds. This look by itself would "
            "show a difference; all looks at the placebo share one chance of 5% to be wrong, and "
            "at what this one has of it none is shown."
        )
    return (
        "The placebo compares a net with itself under other seeds, so that its true difference is "
        f"zero. The interval reaches {number(half)} points to either side: with this many seeds, a "
        "difference between two nets that is smaller than about that could not have been shown."
    )
