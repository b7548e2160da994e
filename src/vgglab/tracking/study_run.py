"""Publishes a study as a W&B run: tables, charts, figures, page, and links to its runs."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb

from vgglab.config import TrackingConfig
from vgglab.tracking.cards import Bars, Lines, StudyCard, Table
from vgglab.tracking.server import web_address
from vgglab.tracking.session import open_run

log = logging.getLogger(__name__)

JOB_TYPE = "report"
PAGE = "report"
"""Media key of the page."""
LINES = "wandb/lineseries/v0"
"""W&B's name of the chart that ``wandb.plot.line_series`` draws."""


def study_run_id(study: str) -> str:
    """Return the id of a study's own run; a new report updates the run of the last one."""
    return f"{JOB_TYPE}-{study}"


def chart_key(name: str) -> str:
    """Return the key that a chart of a study is logged under; its table has ``_table`` after it."""
    return f"charts/{name}"


def publish(tracking: TrackingConfig, card: StudyCard, folder: Path) -> str | None:
    """Write the run of a study.

    Args:
        tracking: Project, entity and mode of W&B.
        card: Content of the run.
        folder: Folder of the study, which keeps W&B's files.

    Returns:
        The address of the run; None if it was kept offline.
    """
    for earlier in folder.glob(f"wandb/*run-*-{card.run.id}"):
        shutil.rmtree(earlier)  # this report replaces it, here and on the server
    run = open_run(tracking, card.run, folder)
    exit_code = 1
    try:
        project = _project_url(run, tracking)
        links = [
            [name, state, f"{project}/runs/{name}" if project else ""] for name, state in card.runs
        ]
        tables = {**card.tables, "runs": Table(columns=["run", "state", "link"], rows=links)}
        # Without a step: the row comes after those of earlier reports of the same study.
        run.log(_media(card, tables))
        run.notes = _notes(card.run.notes, links)
        exit_code = 0
    finally:
        address = None if run.offline else run.url
        try:
            run.finish(exit_code=exit_code)
        except TimeoutError:
            log.warning("%s: W&B did not take all of it in time; task=sync does", card.run.name)
            address = None
    return address


def _project_url(run: wandb.Run, tracking: TrackingConfig) -> str:
    """Return the address of the project's pages; empty if it is not known before an upload."""
    if not run.offline and run.url:
        return run.url.rpartition("/runs/")[0]
    if tracking.entity:
        return f"{web_address()}/{tracking.entity}/{tracking.project}"
    return ""


def _notes(about: str, links: list[list[str]]) -> str:
    """Return Markdown with the question, the command, and a link to each run."""
    lines = [f"- [{name}]({link})" if link else f"- {name}" for name, _, link in links]
    return "\n".join([about, "", "Runs:", *lines])


def _media(card: StudyCard, tables: Mapping[str, Table]) -> dict[str, Any]:
    return {
        **{f"tables/{name}": _table(table) for name, table in tables.items()},
        **{chart_key(name): _lines(chart) for name, chart in card.lines.items()},
        **{chart_key(name): _bars(chart) for name, chart in card.bars.items()},
        **{f"figures/{name}": wandb.Image(str(path)) for name, path in card.figures.items()},
        PAGE: wandb.Html(str(card.page), inject=False),
    }


def _table(table: Table) -> wandb.Table:
    return wandb.Table(columns=list(table.columns), data=[list(row) for row in table.rows])


def _lines(chart: Lines) -> Any:
    return wandb.plot.line_series(
        [list(x) for x, _ in chart.series.values()],
        [list(y) for _, y in chart.series.values()],
        keys=list(chart.series),
        title=chart.title,
        xname=chart.x_label,
    )


def _bars(chart: Bars) -> Any:
    table = wandb.Table(columns=[chart.label, chart.value], data=[list(bar) for bar in chart.bars])
    return wandb.plot.bar(table, chart.label, chart.value, title=chart.title)
