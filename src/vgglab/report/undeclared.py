"""What differs between the points of a study besides what it asks about."""

from __future__ import annotations

from vgglab.report.blocks import Block, Bullets, Paragraph
from vgglab.study import Declaration, FieldDifference, Guard


def confound_blocks(guard: Guard) -> list[Block]:
    """What the study declares, what else differs, and whether it was launched in spite of that."""
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
