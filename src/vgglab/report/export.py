"""A study's tables and figures for a paper or another program: LaTeX, CSV, JSON; PDF and SVG."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from vgglab.report.charts import ERROR_COLUMNS, charts_of
from vgglab.report.claims_table import claims_table
from vgglab.report.latex import claims_latex, errors_latex
from vgglab.report.page import figures_of
from vgglab.report.results import results_of
from vgglab.report.style import file_of, house_style
from vgglab.report.write import remove_others
from vgglab.runs.atomic import write_text
from vgglab.study import ClaimsFile, StudyView, results_table

ExportFormat = Literal["latex", "csv", "json"]
SCHEMA = 1
"""Of the JSON document: raised when a key of it goes, or means something else."""
FOLDER = "print"
KINDS: tuple[Literal["svg", "pdf"], ...] = ("svg", "pdf")
"""Of a figure's files."""
MM = 25.4
"""In an inch."""


def export(
    view: StudyView, record: ClaimsFile, folder: Path, form: ExportFormat, column_mm: float
) -> str:
    """Write a study's tables and figures into ``print/``, a file each.

    Args:
        view: the study.
        record: its judged claims.
        folder: of the study.
        form: of the tables.
        column_mm: width of a figure, mm.

    Returns:
        What the command prints: the JSON document, all LaTeX tables, or of CSV the table of errors.
    """
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    tables = _TABLES[form](view, record)
    for name, text in tables.items():
        write_text(place / name, text)
    figures = figures_of(view, record)
    with house_style(column_mm / MM):
        for figure in figures:
            canvas = figure.draw()
            for kind in KINDS:
                path = place / f"{figure.name}.{kind}"
                path.write_bytes(file_of(canvas, kind, figure.name))
    remove_others(place, {figure.name for figure in figures}, KINDS)
    return next(iter(tables.values())) if form == "csv" else "\n".join(tables.values())


def _latex(view: StudyView, record: ClaimsFile) -> Mapping[str, str]:
    return {
        "errors.tex": errors_latex(results_of(view), record),
        "claims.tex": claims_latex(record),
    }


def _frames(view: StudyView, record: ClaimsFile) -> dict[str, pd.DataFrame]:
    """The tables by name; docs/notebook.md and docs/using.md describe their columns."""
    return {
        "errors": pd.DataFrame(charts_of(view).errors, columns=list(ERROR_COLUMNS)),
        "claims": claims_table(record),
        "runs": results_table(view),
    }


def _csv(view: StudyView, record: ClaimsFile) -> Mapping[str, str]:
    return {
        f"{name}.csv": frame.to_csv(index=False, lineterminator="\n")
        for name, frame in _frames(view, record).items()
    }


def _json(view: StudyView, record: ClaimsFile) -> Mapping[str, str]:
    document = {
        "schema": SCHEMA,
        "study": view.name,
        "asks": view.asks,
        "confidence": record["confidence"],
        "looks": record["looks"],
        **{
            # By pandas, which knows what its own types are in JSON: what is not known is null.
            name: json.loads(frame.to_json(orient="records", double_precision=10))
            for name, frame in _frames(view, record).items()
        },
        "not_asked": record["not_asked"],
    }
    return {"tables.json": json.dumps(document, indent=2, allow_nan=False) + "\n"}


_TABLES: Mapping[ExportFormat, Callable[[StudyView, ClaimsFile], Mapping[str, str]]] = {
    "latex": _latex,
    "csv": _csv,
    "json": _json,
}
