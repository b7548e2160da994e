"""Two runs, compared: as plain text of at most 80 columns, as JSON, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from vgglab.config.parse import shortened
from vgglab.report.screen import COLUMNS, paragraphs, text_table
from vgglab.report.wording import NONE, grouped, number, p_number, p_text, signed, signed_span
from vgglab.study.differences.settings import FieldChange, RecordChange
from vgglab.study.differences.two_runs import ErrorGap, TwoRuns

LONGEST = 48
"""Characters of a value that a table shows."""
ONE_SEED = (
    "Of nets this says nothing, whatever the difference: another seed might give another. With one "
    "seed each a claim stays inconclusive."
)


def lines(found: TwoRuns) -> list[str]:
    """What differs between two runs, A and B, as lines of plain text."""
    parts = [
        text_table(["", "run", "state"], _heads(found), words={0, 1, 2}),
        settings_lines(found.fields, ("A", "B")),
        records_lines(found.records, ("A", "B")),
        [_data(found)],
        _curves(found),
        _errors(found),
        wrap(finding(found), COLUMNS),
    ]
    return paragraphs(parts)


def _heads(found: TwoRuns) -> list[list[str]]:
    names = found.folders if found.ids[0] == found.ids[1] else found.ids
    return [list(row) for row in zip("AB", names, found.states, strict=True)]


def settings_lines(
    changes: Sequence[FieldChange], names: tuple[str, str], where: Sequence[str] = ()
) -> list[str]:
    """The config fields that differ, by role.

    Args:
        changes: in the order in which they are printed.
        names: of the two that are compared.
        where: for each change the arms that it is of; empty: there are none.
    """
    if not changes:
        return ["config: no field differs"]
    header = ["role", "config field", *names, *(["nets"] if where else [])]
    rows = [
        [change.role, change.field, values(change.first), values(change.second), *arms]
        for change, *arms in zip(changes, *([where] if where else []), strict=True)
    ]
    return text_table(header, rows, words=set(range(len(header))))


def records_lines(changes: Sequence[RecordChange], names: tuple[str, str]) -> list[str]:
    """The libraries, the machine and the source, where the runs record different ones.

    Args:
        changes: in the order in which they are printed.
        names: of the two that are compared.
    """
    if not changes:
        return ["libraries, machine, source: none that are recorded differ"]
    rows = [[c.kind, c.name, _recorded(c, c.first), _recorded(c, c.second)] for c in changes]
    return text_table(["computed by", "", *names], rows, words={0, 1, 2, 3})


def _recorded(change: RecordChange, found: Sequence[str]) -> str:
    if change.name == "commit":
        found = [commit_text(commit) for commit in found]
    return values(found) if found else "not recorded"


def commit_text(commit: str) -> str:
    """``25e1b9a0436e, with changes``."""
    name, changes, _ = commit.partition("+changes")
    return name[:12] + (", with changes" if changes else "")


def values(found: Sequence[Any]) -> str:
    """Values of a field in a cell: ``0.05``; ``0.05 or 0.1``; a dash where it is no field."""
    return " or ".join(shortened(_text(value), LONGEST) for value in found) or NONE


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _data(found: TwoRuns) -> str:
    first, second = (text.removeprefix("sha256:")[:16] for text in found.data)
    if first and first == second:
        return f"data: the same, fingerprint {first}"
    if first and second:
        return f"data: fingerprint A {first}, B {second}"
    unknown = " and ".join(name for name, data in zip("AB", found.data, strict=True) if not data)
    return f"data: fingerprint of {unknown} not known here"


def _curves(found: TwoRuns) -> list[str]:
    if not found.curves:
        return ["curves: none that both have recorded"]
    rows = [
        [
            gap.curve,
            NONE if gap.parts_at is None else f"{gap.parts_at:g}",
            signed(gap.largest, decimals),
            f"{gap.largest_at:g}",
            signed(gap.last, decimals),
            str(gap.points),
        ]
        for gap in found.curves
        for decimals in (2 if "error" in gap.curve else 4,)
    ]
    header = ["B - A", "parts at epoch", "largest", "at epoch", "last", "points"]
    return text_table(header, rows, words={0})


def _errors(found: TwoRuns) -> list[str]:
    if not found.errors:
        return ["errors: neither run has been tested"]
    header = ["protocol", "A, %", "B, %", "B - A", "95%, images", "p", "images"]
    table = text_table(header, [_error(gap) for gap in found.errors], words={0})
    images = [gap for gap in found.errors if gap.images]
    if images:
        header = ["test images", "both right", "only A right", "only B right", "both wrong"]
        counts = [
            [gap.protocol, *map(grouped, (i.both_right, i.only_first, i.only_second, i.both_wrong))]
            for gap in images
            if (i := gap.images)
        ]
        table += ["", *text_table(header, counts, words={0})]
    return table


def _error(gap: ErrorGap) -> list[str]:
    images = gap.images
    return [
        gap.protocol,
        number(gap.first),
        number(gap.second),
        signed(gap.difference),
        signed_span(images.interval if images else None),
        p_number(gap.p_holm),
        grouped(images.images if images else None),
    ]


def finding(found: TwoRuns) -> str:
    """Whether the errors differ by more than luck on the test images gives, in sentences."""
    said = [_found(gap) for gap in found.errors if gap.difference is not None]
    if not said:
        said = ["There are no errors of both to compare."]
    if found.ids[0] == found.ids[1]:
        said.insert(0, "Both have one id: the same config, data and seed, twice on disk.")
    return " ".join([*said, ONE_SEED])


def _found(gap: ErrorGap) -> str:
    if gap.images is None:
        return (
            f"{gap.protocol}: the runs are not compared image by image ({gap.unpaired}), so that "
            "nothing is known of luck."
        )
    images, p = gap.images, p_text(gap.p_holm if gap.p_holm is not None else 1.0)
    if not images.only_first and not images.only_second:
        return f"{gap.protocol}: both are right on the very same test images."
    of = f"{grouped(images.images)} test images"
    if images.originals < images.images:
        of += f" of {grouped(images.originals)} originals"
    how = "more than" if gap.is_more_than_luck else "no more than"
    return f"{gap.protocol}: the difference is {how} luck on {of} gives ({p})."


def document(found: TwoRuns) -> dict[str, Any]:
    """The same as one JSON object; errors are percentages."""
    tree = asdict(found)
    for line, gap in zip(tree["errors"], found.errors, strict=True):
        line |= {"difference": gap.difference, "more_than_luck": gap.is_more_than_luck}
    return {"compared": "runs", **tree, "finding": finding(found)}


def rows(found: TwoRuns) -> list[dict[str, Any]]:
    """The same as rows of one kind, for CSV."""
    table = [
        _row(f"field, {change.role}", change.field, values(change.first), values(change.second))
        for change in found.fields
    ]
    table += [_row(c.kind, c.name, values(c.first), values(c.second)) for c in found.records]
    table.append(_row("data", "fingerprint", *found.data))
    table += [_row("curve", gap.curve, "", "", difference=gap.last) for gap in found.curves]
    for gap in found.errors:
        low, high = gap.images.interval if gap.images else (None, None)
        table.append(
            _row("error", gap.protocol, gap.first, gap.second)
            | {"difference": gap.difference, "low": low, "high": high, "p": gap.p_holm}
        )
    return table


def _row(what: str, name: str, first: Any, second: Any, **numbers: Any) -> dict[str, Any]:
    usual = dict.fromkeys(("difference", "low", "high", "p"))
    return {"what": what, "name": name, "a": first, "b": second, **usual, **numbers}
