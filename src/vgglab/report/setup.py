"""Section: what was trained, on what and where, and which points have no result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vgglab.report.blocks import Block, Bullets, Paragraph, Section, Table
from vgglab.report.results import Results
from vgglab.report.undeclared import confound_blocks
from vgglab.report.wording import ArmNames, init_label, model_label
from vgglab.runs import RunRecord, State
from vgglab.study import Arm, StudyView, arms, values_by_arm

_LINES: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "data",
        (
            ("data.name", "{}"),
            ("data.image_size", "{} px"),
            ("data.train_images", "{:,} training images"),
            ("data.validation_images", "{:,} validation images"),
            ("data.test_images", "{:,} test images"),
        ),
    ),
    (
        "recipe",
        (
            ("recipe.epochs", "{} epochs"),
            ("recipe.batch_size", "batch {}"),
            ("recipe.learning_rate", "learning rate {:g}"),
            ("recipe.schedule.name", "{} schedule"),
            ("recipe.momentum", "momentum {:g}"),
            ("recipe.weight_decay", "weight decay {:g}"),
            ("recipe.select", "{} epoch tested"),
        ),
    ),
    ("nets", (("model.width", "width {:g} of the paper's"), ("model.dropout", "dropout {:g}"))),
)
"""Line -> fields and how a value is spelt; a field that not every config has is skipped."""


def hardware_values(view: StudyView) -> dict[str, list[str]]:
    """Field of ``result.hardware`` -> the values that occur."""
    found: dict[str, set[str]] = {}
    for run in view.runs:
        for name, value in run.result.get("hardware", {}).items():
            found.setdefault(name, set()).add(str(value))
    return {name: sorted(values) for name, values in sorted(found.items())}


def _line(fields: Sequence[tuple[str, str]], values: dict[str, dict[Any, list[Arm]]]) -> str:
    parts = []
    for name, spelling in fields:
        known = [value for value in values.get(name, {}) if value is not None]
        if known:
            parts.append(" or ".join(spelling.format(value) for value in known))
    return ", ".join(parts)


def _factors(view: StudyView) -> str:
    """Models, norms and initialisations of the study."""
    known = sorted(set(arms(view).values()))
    models = dict.fromkeys(model_label(arm.model) for arm in known)
    norms = dict.fromkeys(f"norm {arm.norm}" for arm in known)
    inits = dict.fromkeys(init_label(arm.init) for arm in known)
    return "; ".join([" ".join(models), " and ".join(norms), " and ".join(inits)])


def _facts(view: StudyView) -> Table:
    values = values_by_arm(view)
    rows = [[title, _line(fields, values)] for title, fields in _LINES]
    rows = [["models", _factors(view)], *rows]
    hardware = hardware_values(view)
    if hardware:
        where = ", ".join(f"{name} {' or '.join(found)}" for name, found in hardware.items())
        rows.append(["ran on", where])
    return Table(["what", "value"], [row for row in rows if row[1]], words=frozenset({0, 1}))


def _unequal(view: StudyView, names: ArmNames) -> list[Block]:
    """Fields besides the factors in which arms differ."""
    items = []
    for field, by_value in sorted(values_by_arm(view).items()):
        # What the variant says is in the arms' names already.
        if len(by_value) > 1 and not any(f"{field}=" in arm.variant for arm in arms(view).values()):
            parts = [f"{v} ({'; '.join(map(names, members))})" for v, members in by_value.items()]
            items.append(f"{field}: {', '.join(parts)}")
    if not items:
        return []
    text = (
        "Not equal in all nets, besides what their names say. A difference between two of them may "
        "come from this:"
    )
    return [Paragraph(text), Bullets(items)]


def _without_result(results: Results) -> list[Block]:
    """Every point that did not finish, with its state and the reason."""
    lacking = {row.run: row for row in results.rows if row.state != State.FINISHED}
    if not lacking:
        return []
    rows = [[row.run, row.state, row.reason] for row in lacking.values()]
    caption = "Points that have not finished. Those that diverged or were untrainable are outcomes."
    return [Table(["point", "state", "reason"], rows, caption, words=frozenset({0, 1, 2}))]


def progress(view: StudyView) -> str:
    """``16 of 18 points finished``, and how many are in each other state."""
    states = [p.status.state if isinstance(p, RunRecord) else State.PENDING for p in view.points]
    counts = {state: states.count(state) for state in State if state in states}
    finished = counts.pop(State.FINISHED, 0)
    others = ", ".join(f"{n} {state.value}" for state, n in counts.items())
    return f"{finished} of {len(states)} points finished" + (f"; {others}" if others else "") + "."


def skipped_line(view: StudyView) -> str:
    """How many test images could not be read and what that does to the errors; empty where all
    could be."""
    found = [test for run in view.runs if (test := run.result.get("test"))]
    lost = sorted({(test["skipped"], test["images"]) for test in found})
    if not lost:
        return ""
    counts = " or ".join(f"{skipped:,} of {images:,}" for skipped, images in lost)
    return (
        f"{counts} test images could not be read (data.on_error=skip): each counts as an error "
        f"under every protocol in {len(found)} of {len(view.runs)} runs; skipped.csv in a run's "
        "folder names them."
    )


def setup_section(results: Results) -> Section:
    """What all points share, what they do not, and what is missing."""
    view = results.view
    unequal = confound_blocks(view.guard) if view.guard else _unequal(view, results.names)
    blocks = [_facts(view), *unequal, *_without_result(results)]
    return Section("setup", "What was run", blocks)
