"""What the gate says, in two lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vgglab.report.wording import decimals_of
from vgglab.study.claims.power import MOST_SEEDS
from vgglab.study.claims.wanted import shown_seeds
from vgglab.study.foreign.asked import TABLE
from vgglab.study.gate import Word


def lines(line: Mapping[str, Any]) -> Iterable[str]:
    """An answer of the gate, of which ``line`` is the ledger's, and ``repeated``."""
    of_table = line["protocol"] == TABLE
    candidate, baseline = reversed(line["arms"]) if of_table else ("candidate", "baseline")
    where = f"question {line['question']}, look {line['look']}"
    compared = f"{candidate} less {baseline}"
    if line["difference"] is None:
        about = f"{compared}: " if of_table else ""
        yield f"{line['word']}: {about}{line['reason']} ({where})"
        return
    seeds = " and ".join(map(str, line["seeds"]))
    decimals = decimals_of([line["interval"]]) if of_table and line["interval"] else 2
    found = f"{line['difference']:+.{decimals}f}" + ("" if of_table else " points")
    if line["interval_95"]:
        found += f" {_shown(line['interval_95'], decimals)}"
    yield f"{line['word']}: {compared} {found}, {seeds} seeds"
    if line["reason"]:
        yield f"{line['reason']} ({where})"
        return
    again = "; answered before, nothing is spent" if line["repeated"] else ""
    wanted = f"; {_more(line)}" if line["word"] == Word.UNDECIDED else ""
    yield (
        f"{where}: at its level of {100 * line['level']:.2g}% the interval is "
        f"{_shown(line['interval'], decimals)}{wanted}{again}"
    )


def _shown(interval: Sequence[float], decimals: int) -> str:
    low, high = interval
    return f"[{low:+.{decimals}f}, {high:+.{decimals}f}]"


def _more(line: Mapping[str, Any]) -> str:
    if line["more_seeds"] is None:
        many = shown_seeds(MOST_SEEDS + 1)
        return f"a word would take {many} seeds a side, or more test images"
    return f"a word would take {shown_seeds(line['more_seeds'])} more seeds a side"
