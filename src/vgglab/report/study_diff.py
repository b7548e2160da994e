"""Two studies, compared: as plain text of at most 80 columns, as JSON, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from vgglab.report.run_diff import records_lines, settings_lines, values
from vgglab.report.screen import ASCII, COLUMNS, effect_and_interval, paragraphs, text_table
from vgglab.report.wording import (
    ArmNames,
    compared,
    number,
    plural,
    setting_label,
    signed,
    signed_span,
)
from vgglab.study import ClaimRecord
from vgglab.study.differences.shifts import Shift, Word
from vgglab.study.differences.two_studies import ArmShift, ClaimShift, TwoStudies, arm_label

NAMES = ("then", "now")
ROUNDING = 1e-9
"""Percentage points below which a shift is that of sums in floating point."""


def lines(found: TwoStudies, folders: tuple[str, str]) -> list[str]:
    """What differs between two studies, as lines of plain text.

    Args:
        found: their comparison.
        folders: of the studies, the earlier first.
    """
    names = _names(found)
    parts = [
        text_table(["", "study", "runs with an outcome"], _heads(found, folders), words={0, 1, 2}),
        _arms(found, names),
        _claims(found),
        _settings(found, names),
        records_lines(found.records, NAMES),
        wrap(finding(found), COLUMNS),
    ]
    return paragraphs(parts)


def _names(found: TwoStudies) -> ArmNames:
    return ArmNames([*(arm.arm for arm in found.arms), *found.arms_alone[0], *found.arms_alone[1]])


def _heads(found: TwoStudies, folders: tuple[str, str]) -> list[list[str]]:
    return [
        [name, folder, f"{runs} of {points}"]
        for name, folder, runs, points in zip(NAMES, folders, found.runs, found.points, strict=True)
    ]


def _arms(found: TwoStudies, names: ArmNames) -> list[str]:
    several = len({arm.protocol for arm in found.arms}) > 1
    labels = [
        names(arm.arm) + (f", {arm.protocol}" if several and arm.protocol else "")
        for arm in found.arms
    ]
    header = ["net", "then, %", "now, %", "shift", "interval", "seeds", ""]
    rows = [_arm(label, arm) for label, arm in zip(labels, found.arms, strict=True)]
    table = text_table(header, rows, words={0, 6}) if rows else ["No net is in both studies."]
    for label, arm in zip(labels, found.arms, strict=True):
        table += wrap(_trained(label, arm), COLUMNS) if arm.training else []
    if found.shared:
        are = "is" if found.shared == 1 else "are"
        table += wrap(
            f"{plural(found.shared, 'run')} {are} the very same in both studies, and no evidence.",
            COLUMNS,
        )
    if not found.same_images:
        table += wrap(
            "The studies have other data: their test images are not set side by side.", COLUMNS
        )
    for when, alone in zip(NAMES, found.arms_alone, strict=True):
        if alone:
            table += wrap(f"Only {when}: {'; '.join(map(names, alone))}.", COLUMNS)
    return table


def _arm(label: str, arm: ArmShift) -> list[str]:
    shift = arm.error
    seeds = plural(shift.pairs, "pair") if shift.pairs else f"{arm.seeds[0]}, {arm.seeds[1]}"
    return [label, number(arm.then), number(arm.now), *_shift(shift), seeds, _word(shift)]


def _shift(shift: Shift) -> tuple[str, str]:
    return signed(shift.difference), signed_span(shift.interval)


def _word(shift: Shift) -> str:
    return shift.why if shift.word is Word.OPEN else str(shift.word)


def _trained(label: str, arm: ArmShift) -> str:
    """Of a net some of whose runs did not train."""
    assert arm.training is not None
    then, now = (
        f"{trained} of {asked}" for trained, asked in zip(arm.seeds, arm.asked, strict=True)
    )
    return f"{label}: {then} runs trained then, {now} now: {arm.training.word}."


def _claims(found: TwoStudies) -> list[str]:
    table: list[str] = []
    if found.claims:
        header = ["claim", "", "word", "points", "interval"]
        rows = [row for claim in found.claims for row in _claim(claim)]
        table = text_table(header, rows, words={0, 1, 2})
    for when, alone in zip(NAMES, found.claims_alone, strict=True):
        if alone:
            table += wrap(f"Asked only {when}: {'; '.join(alone)}.", COLUMNS)
    return table or ["No claim was put to either study."]


def _claim(claim: ClaimShift) -> list[list[str]]:
    then, now = claim.then, claim.now
    return [
        [_label(now), "then", then["verdict"], *effect_and_interval(then)],
        ["", "now", now["verdict"], *effect_and_interval(now)],
        ["", "shift", _word(claim.shift), *_shift(claim.shift)],
    ]


def _label(claim: ClaimRecord) -> str:
    setting = setting_label(claim["setting"])
    name = claim["claim"].replace("_", " ")
    return f"{name}: {compared(claim, brief=True)}" + (f", {setting}" if setting else "")


def _settings(found: TwoStudies, names: ArmNames) -> list[str]:
    if not found.arms:
        return ["config: no net is in both, so none was compared"]
    return settings_lines(found.fields, NAMES, _where(found, names))


def _where(found: TwoStudies, names: ArmNames) -> list[str]:
    """For each field that differs the nets that it differs in."""
    label_of = {arm_label(arm.arm): names(arm.arm) for arm in found.arms}
    return [
        "all"
        if len(change.where) == len(label_of)
        else "; ".join(label_of[name] for name in change.where)
        for change in found.fields
    ]


def finding(found: TwoStudies) -> str:
    """What moved by more than noise, or that nothing did, in one sentence."""
    moved = _moved(found)
    changed = [claim for claim in found.claims if claim.has_another_word]
    if moved:
        return f"Moved by more than noise: {'; '.join(moved)}.{_words(changed)}"
    tested = [shift for shift in found.shifts if shift.p_value is not None]
    if not tested:
        whys = (
            ", ".join(dict.fromkeys(s.why for s in found.shifts if s.why)) or "nothing is in both"
        )
        return f"Nothing could be tested: {whys}.{_words(changed)}"
    if all(_is_none(shift) for shift in tested):
        return f"Nothing moved: run for run the errors are the same.{_words(changed)}"
    ends = [abs(end) for shift in tested for end in shift.interval or ()]
    room = f"; the intervals leave room for {number(max(ends))} points" if ends else ""
    return f"Nothing moved by more than noise{room}.{_words(changed)}"


def _is_none(shift: Shift) -> bool:
    """Whether a shift is zero for every seed and image, but for rounding."""
    ends = (shift.difference, *(shift.interval or (None,)))
    return all(end is not None and abs(end) < ROUNDING for end in ends)


def _moved(found: TwoStudies) -> list[str]:
    names = _names(found)
    several = len({arm.protocol for arm in found.arms}) > 1
    moved: list[str] = []
    for arm in found.arms:
        name = names(arm.arm) + (f", {arm.protocol}" if several else "")
        if arm.error.word is Word.MOVED:
            moved.append(f"{name}, {signed(arm.error.difference)} points")
        if arm.training and arm.training.word is Word.MOVED:
            moved.append(f"{name}, in how many runs train")
    moved += [
        f"claim {_label(claim.now)}, {signed(claim.shift.difference)} points"
        for claim in found.claims
        if claim.shift.word is Word.MOVED
    ]
    return moved


def _words(changed: Sequence[ClaimShift]) -> str:
    """Claims that have another word; empty where none has."""
    if not changed:
        return ""
    each = "; ".join(
        f"{_label(c.now)}, {c.then['verdict']} then and {c.now['verdict']} now ({_by(c)})"
        for c in changed
    )
    return f" Another word: {each}."


def _by(claim: ClaimShift) -> str:
    return {
        Word.MOVED: "by more than noise",
        Word.NOISE: "the shift is within noise",
        Word.SHARED: "of the same runs",
        Word.OPEN: f"not tested: {claim.shift.why}",
    }[claim.shift.word]


def document(found: TwoStudies, folders: tuple[str, str]) -> dict[str, Any]:
    """The same as one JSON object; errors are percentages.

    Args:
        found: their comparison.
        folders: of the studies, the earlier first.
    """
    return {
        "compared": "studies",
        **asdict(found),
        "folders": list(folders),
        "moved": _moved(found),
        "other_words": [claim.now["claim"] for claim in found.claims if claim.has_another_word],
        "finding": finding(found),
    }


def rows(found: TwoStudies) -> list[dict[str, Any]]:
    """The same as rows of one kind, for CSV."""
    table: list[dict[str, Any]] = []
    for arm in found.arms:
        about = _row("arm", arm_label(arm.arm), arm.then, arm.now, shift=arm.error)
        table.append(about | {"protocol": arm.protocol})
        if arm.training:
            shares = [f"{k} of {n}" for k, n in zip(arm.seeds, arm.asked, strict=True)]
            trained = _row("runs that trained", arm_label(arm.arm), *shares, shift=arm.training)
            table.append(trained | {"protocol": arm.protocol})
    for when, alone in zip(NAMES, found.arms_alone, strict=True):
        table += [_row(f"arm, only {when}", arm_label(arm), "", "") for arm in alone]
    for claim in found.claims:
        words = [f"{c['verdict']} ({effect_and_interval(c)[0]})" for c in (claim.then, claim.now)]
        table.append(_row("claim", _label(claim.now), *words, shift=claim.shift))
    table += [
        _row(f"field, {c.role}", c.field, values(c.first), values(c.second)) for c in found.fields
    ]
    table += [_row(c.kind, c.name, values(c.first), values(c.second)) for c in found.records]
    return table


def _row(
    what: str, name: str, then: Any, now: Any, *, shift: Shift | None = None
) -> dict[str, Any]:
    low, high = (shift.interval if shift else None) or (None, None)
    return {
        "what": what,
        "name": name.translate(ASCII),
        "protocol": "",
        "then": then.translate(ASCII) if isinstance(then, str) else then,
        "now": now.translate(ASCII) if isinstance(now, str) else now,
        "shift": shift.difference if shift else None,
        "low": low,
        "high": high,
        "p": shift.p_holm if shift else None,
        "word": _word(shift) if shift else "",
    }
