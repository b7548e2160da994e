"""Section: what each net was tuned to, and which words follow from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vgglab.report.blocks import Block, Bullets, Cell, Paragraph, Section, Table
from vgglab.report.wording import ArmNames, compared, number, plural, setting_label
from vgglab.study import Candidate, ClaimsFile, StudyView, Tuning
from vgglab.study.tuning import Values
from vgglab.study.tuning_record import (
    TuningRecord,
    tuned_arms,
    word_without_tuning,
)


def tuning_section(
    view: StudyView, claims: ClaimsFile, record: TuningRecord | None
) -> Section | None:
    """The section; None of a study that was not tuned.

    Args:
        view: the study.
        claims: its judged claims.
        record: its tuning, from ``tuning_record``.
    """
    if view.tuning is None or record is None:
        return None
    blocks: list[Block] = [Paragraph(_how(view.tuning)), _table(view, view.tuning)]
    if edges := _at_an_edge(view, view.tuning):
        blocks.append(Paragraph(edges))
    if record["words"]:
        blocks.append(Bullets(_words(record, claims)))
    return Section("tuning", "Tuned alike", blocks)


def tuning_lines(view: StudyView) -> list[str]:
    """What each net was tuned to, for the screen; empty of a study that was not, or not yet."""
    tuning = view.tuning
    if tuning is None or not tuning.is_complete:
        return []
    names = _names(view)
    nets: dict[Values, list[str]] = {}
    for net, setting in tuning.chosen.items():
        nets.setdefault(setting, []).append(names[net])
    return [f"tuned to {spelt(dict(s))}: {'; '.join(of)}" for s, of in nets.items()]


def spelt(setting: Mapping[str, Any]) -> str:
    """``recipe.learning_rate 0.05``."""
    return ", ".join(f"{name} {value}" for name, value in setting.items())


def _names(view: StudyView) -> dict[Values, str]:
    arm_of = tuned_arms(view)
    name = ArmNames(arm_of.values())
    return {net: name(arm) for net, arm in arm_of.items()}


def _how(tuning: Tuning) -> str:
    seeds = [*tuning.candidates[0].errors]
    settings = len({candidate.setting for candidate in tuning.candidates})
    runs = sum(len(candidate.errors) for candidate in tuning.candidates)
    text = (
        f"Each net was trained with the same {plural(settings, 'setting')} under "
        f"{plural(len(seeds), 'seed')} that the study does not use "
        f"({', '.join(map(str, seeds))}): {plural(runs, 'run')}. The study then trains each net "
        "with its setting of lowest validation error; a net that does not train counts as guessing."
    )
    return text if tuning.is_complete else f"{text} Not all of these runs have ended."


def _table(view: StudyView, tuning: Tuning) -> Table:
    names = _names(view)
    settings = [*dict.fromkeys(candidate.setting for candidate in tuning.candidates)]
    by_net: dict[Values, dict[Values, Candidate]] = {}
    for candidate in tuning.candidates:
        by_net.setdefault(candidate.net, {})[candidate.setting] = candidate
    rows: list[Sequence[Cell | str]] = []
    for net, found in by_net.items():
        chosen = tuning.chosen.get(net)
        cells = [_cell(found[setting], setting == chosen) for setting in settings]
        rows.append([names[net], *cells])
    best = tuning.one_for_all
    columns = [
        spelt(dict(setting)) + (" (best over all)" if setting == best else "")
        for setting in settings
    ]
    caption = "Lowest validation error, mean over the tuning seeds, percent; * chosen."
    return Table(["net", *columns], rows, caption)


def _cell(candidate: Candidate, is_chosen: bool) -> str:
    known = [error for error in candidate.errors.values() if error is not None]
    text = number(sum(known) / len(known) if known else None)
    return f"{text} *" if is_chosen else text


def _at_an_edge(view: StudyView, tuning: Tuning) -> str:
    """A sentence on nets that were tuned to an end of the values tried."""
    values: dict[str, list[Any]] = {}
    for candidate in tuning.candidates:
        for field, value in candidate.setting:
            values.setdefault(field, []).append(value)
    names = _names(view)
    found = []
    for field, tried in values.items():
        if not all(isinstance(value, int | float) for value in tried):
            continue
        ends = (min(tried), max(tried))
        at = [names[net] for net, s in tuning.chosen.items() if dict(s)[field] in ends]
        if at:
            found.append(f"{field} of {', '.join(at)}")
    if not found:
        return ""
    return (
        f"At an end of the values tried, so that a better one may lie beyond: {'; '.join(found)}."
    )


def _words(record: TuningRecord, claims: ClaimsFile) -> list[str]:
    """For each claim, whether its word is another one with one setting for all nets."""
    one = spelt(record["one_for_all"])
    lines = []
    for claim in claims["claims"]:
        word = word_without_tuning(record, claim["claim"], claim["setting"])
        if not word:
            continue
        setting = setting_label(claim["setting"])
        what = f"{compared(claim)}{f' ({setting})' if setting else ''}"
        same = word == claim["verdict"]
        lines.append(
            f"{what}: with {one} for all nets "
            + (f"the word is the same, {word}." if same else f"the word is another: {word}.")
        )
    return lines
