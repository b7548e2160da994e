"""Section: every run."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from vgglab.config import arm_fields
from vgglab.report.blocks import Block, Bullets, Cell, Section, Table
from vgglab.report.results import Results
from vgglab.report.wording import NONE, number
from vgglab.runs import Certificate
from vgglab.study import StudyView


def differing_fields(results: Results) -> dict[str, str]:
    """Point id -> its value of each field in which points of the study differ, seed left out."""
    fields = {point.id: arm_fields(point.config) for point in results.view.points}
    names = sorted({name for values in fields.values() for name in values})
    differing = [n for n in names if len({repr(v.get(n)) for v in fields.values()}) > 1]
    return {
        point: ", ".join(f"{n}={values[n]}" for n in differing if n in values) or NONE
        for point, values in fields.items()
    }


def runs_section(results: Results, folder: Path) -> Section | None:
    """A row a run and protocol, linked to its directory as seen from ``folder``."""
    if not results.rows:
        return None
    # A parent need not be a point of the study, but it lies beside its children.
    paths = {run.id: run.directory.path for run in results.view.runs}
    for run in results.view.runs:
        if run.status.parent:
            paths[run.status.parent] = run.directory.path.parent / run.status.parent
    links = {
        name: quote(Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix())
        for name, path in paths.items()
    }
    differing = differing_fields(results)
    with_parents = any(row.parent for row in results.rows)
    rows: list[list[Cell | str]] = [
        [
            Cell(row.run, links.get(row.run, "")),
            results.names(results.arm_of[row.run]),
            str(row.seed),
            row.state,
            row.protocol,
            number(row.top1_error),
            number(row.top5_error),
            number(row.validation_top1_error),
            differing[row.run],
            *([Cell(row.parent, links.get(row.parent, ""))] if with_parents else []),
        ]
        for row in results.rows
    ]
    columns = ["run", "net", "seed", "state", "protocol", "top-1 error, %", "top-5 error, %"]
    columns += ["lowest validation top-1 error, %", "config, where runs differ"]
    columns += ["starts from"] if with_parents else []
    caption = (
        "Every point of the study; results.csv, next to this page, has these and more columns."
    )
    table = Table(columns, rows, caption, words=frozenset({0, 1, 3, 4, 8}))
    blocks: list[Block] = [table]
    if verified := certificate_lines(results.view):
        blocks.append(Bullets(verified))
    return Section("runs", "Every run", blocks)


def certificate_lines(view: StudyView) -> list[str]:
    """A sentence for each run that ``task=verify`` has interrupted and compared."""
    return [_certificate_line(run.id, run.certificate) for run in view.runs if run.certificate]


def _certificate_line(run: str, certificate: Certificate) -> str:
    tries = certificate["interruptions"]
    where = f"{len(tries)} interruptions of {certificate['epochs']} epochs, verify.json"
    wrong = sorted({part for row in tries for part in row["different"]})
    if not wrong:
        return f"Resume verified for run {run}: all equal, to the bit ({where})."
    return f"Resume is not exact for run {run}: {', '.join(wrong)} differ ({where})."
