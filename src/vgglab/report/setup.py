"""Section: what was run, on what and where; what else differs; which points have no result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vgglab.report.blocks import Block, Bullets, Paragraph, Section, Table
from vgglab.report.results import Results
from vgglab.report.wording import ArmNames, init_label, model_label
from vgglab.runs import State
from vgglab.study import Arm, Declaration, FieldDifference, Guard, StudyView, arms, values_by_arm


def confound_blocks(guard: Guard) -> list[Block]:
    """Paragraphs on the differences that the study declares, and on those that it does not."""
    blocks: list[Block] = [Paragraph(_declared(guard))]
    if guard.confounds:
        blocks.append(Paragraph(_not_declared(guard)))
        blocks.append(Bullets([_item(found) for found in guard.confounds]))
    return blocks


def confound_line(guard: Guard | None) -> str:
    """A sentence for the top of the page; empty where all that differs is declared."""
    if guard is None or not guard.confounds:
        return ""
    names = ", ".join(found.field for found in guard.confounds)
    return (
        f"Confounded: points also differ in {names}, which the study does not declare "
        "(see What was run)."
    )


def _declared(guard: Guard) -> str:
    found = {
        declaration: [str(d) if d.tied_to else d.field for d in guard.declared_as(declaration)]
        for declaration in (Declaration.SCIENTIFIC, Declaration.NUISANCE)
    }
    parts = [f"{kind.value} {'; '.join(names)}" for kind, names in found.items() if names]
    text = f"The points differ in fields that the study declares as {' and as '.join(parts)}."
    if any(d.tied_to for d in guard.declared_as(Declaration.NUISANCE)):
        text += (
            " A nuisance that goes with a scientific field, shown in brackets, may be the cause of "
            "any difference between its values."
        )
    return text if parts else "The points differ in nothing that the study declares."


def _not_declared(guard: Guard) -> str:
    how = (
        "it was launched all the same (study.allow_confounds=true)"
        if guard.allowed
        else "as it is it would not be launched"
    )
    return (
        f"The points also differ in fields that the study does not declare; {how}. A difference "
        "between two nets may come from these:"
    )


def _item(found: FieldDifference) -> str:
    tied = f"; goes with {found.tied_to}, so that their effects cannot be told apart"
    return f"{found}{tied if found.tied_to else ''}"


DESIGNS = {
    "one_at_a_time": (
        "One factor at a time: every net differs from a base in one factor, or is the base. What "
        "two factors do together was not measured."
    ),
    "zip": (
        "The listed values were taken together, place by place, and not crossed. Of factors that "
        "move together the effects cannot be told apart."
    ),
}
"""What a reader is told of a design that is not the full grid."""

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
            ("recipe.optimizer", "{}"),
            ("recipe.learning_rate", "learning rate {:g}"),
            ("recipe.schedule.name", "{} schedule"),
            ("recipe.momentum", "momentum {:g}"),
            ("recipe.weight_decay", "weight decay {:g}"),
            ("recipe.label_smoothing", "label smoothing {:g}"),
            ("recipe.clip_gradients", "gradients clipped at {:g}"),
            ("recipe.select", "{} epoch tested"),
        ),
    ),
    ("nets", (("model.width", "width {:g} of the paper's"), ("model.dropout", "dropout {:g}"))),
)
"""Line -> fields and how a value is spelt; a field that not every config has is skipped."""
_OFF_AT_ZERO = {"recipe.label_smoothing", "recipe.clip_gradients"}
"""Fields that are skipped where no run uses them."""


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
        if any(known) or (known and name not in _OFF_AT_ZERO):
            parts.append(" or ".join(spelling.format(value) for value in known))
    return ", ".join(parts)


def _factors(view: StudyView) -> str:
    """Models, norms and initialisations of the study."""
    known = sorted(set(arms(view).values()))
    models = dict.fromkeys(model_label(arm.model) for arm in known)
    norms = dict.fromkeys(f"norm {arm.norm}" for arm in known)
    inits = dict.fromkeys(init_label(arm.init) for arm in known)
    return "; ".join([" ".join(models), " and ".join(norms), " and ".join(inits)])


def facts_of(view: StudyView) -> Table:
    """Nets, data, recipe and hardware of the study's runs, a line each."""
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
    done = (State.FINISHED, State.UNNEEDED)
    lacking = {row.run: row for row in results.rows if row.state not in done}
    if not lacking:
        return []
    rows = [[row.run, row.state, row.reason] for row in lacking.values()]
    caption = "Points that have not finished. Those that diverged or were untrainable are outcomes."
    return [Table(["point", "state", "reason"], rows, caption, words=frozenset({0, 1, 2}))]


def progress(view: StudyView) -> str:
    """``16 of 18 points finished``, and how many are in each other state."""
    states = [point.state for point in view.points]
    counts = {state: states.count(state) for state in State if state in states}
    finished = counts.pop(State.FINISHED, 0)
    others = ", ".join(f"{n} {state.value}" for state, n in counts.items())
    return f"{finished} of {len(states)} points finished" + (f"; {others}" if others else "") + "."


def skipped_line(view: StudyView) -> str:
    """Count the test images that cannot be read, in a sentence; empty where all can be."""
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
    """Build the section on what points share, where they differ and which have no result."""
    view = results.view
    unequal = confound_blocks(view.guard) if view.guard else _unequal(view, results.names)
    design = [Paragraph(DESIGNS[view.design])] if view.design in DESIGNS else []
    blocks = [facts_of(view), *design, *unequal, *_without_result(results)]
    return Section("setup", "What was run", blocks)
