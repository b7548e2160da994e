"""What W&B is told of a study: the study's own run, and its dashboard as code. Loads wandb."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from vgglab.config import Config
from vgglab.report.charts import ERROR_COLUMNS, Band, Charts, charts_of
from vgglab.report.verdicts import CLAIM_COLUMNS, claim_rows
from vgglab.study import Arm, StudyView, arms, claims_record, results_table, summarise
from vgglab.study.summary import place_in_order
from vgglab.tracking import dashboard
from vgglab.tracking.cards import Bars, Dashboard, Lines, RunCard, StudyCard, Table
from vgglab.tracking.local_files import link_runs
from vgglab.tracking.study_run import JOB_TYPE, publish, study_run_id
from vgglab.workflow.provenance import command_line
from vgglab.workflow.wandb_cards import numbers_of

DEPTH = "error_vs_depth"
ENDS = f"{DEPTH}_intervals"
EDGES = ("lower end", "upper end")
"""W&B's line charts have no intervals, so each end is a line of its own, in a chart of its own."""


def publish_study(config: Config, view: StudyView, folder: Path) -> str | None:
    """Write the study's W&B run, its ``workspace.json`` and the folder for ``wandb leet``.

    Args:
        config: of any point of the study.
        view: the study.
        folder: the study's folder, in which its report is.

    Returns:
        The run's address; None where it did not go online.
    """
    dashboard.write(dashboard_of(config, view, folder), folder)
    url = publish(config.tracking, study_card(config, view, folder), folder)
    link_runs(folder, [run.directory.path for run in view.runs])
    return url


def dashboard_of(config: Config, view: StudyView, folder: Path) -> Dashboard:
    """The subject of the dashboard's panels.

    Args:
        config: of any point of the study.
        view: the study.
        folder: the study's folder, whose figures the panels show.

    Returns:
        The study's runs, its protocols and its figures.
    """
    arm_of = arms(view)
    seeds = Counter(arm_of[run.id] for run in view.runs)
    counted: dict[str, Counter[Arm]] = defaultdict(Counter)
    for run in view.runs:
        for name, value in numbers_of(run.result).items():
            counted[name][arm_of[run.id]] += value is not None
    return Dashboard(
        study=view.name,
        asks=view.asks,
        paper=view.paper,
        runs=sorted(point.id for point in view.points),
        seeds=sorted(seeds.values()),
        counted={name: sorted((+of_arm).values()) for name, of_arm in counted.items()},
        protocols=_protocols(config, view),
        top_k=config.protocol.top_k,
        figures=sorted(path.stem for path in folder.glob("figures/*.png")),
        charts=[DEPTH] if charts_of(view).depth else [],
    )


def _protocols(config: Config, view: StudyView) -> list[str]:
    """Those that runs were tested under, those of the page first; without one, those asked for."""
    tested = {protocol for run in view.runs for protocol in run.result.get("errors", {})}
    labels = tested or {procedure.label for procedure in config.procedures}
    of_page = [summary.protocol for summary in summarise(view) if summary.protocol in labels]
    return list(dict.fromkeys([*of_page, *sorted(labels, key=place_in_order)]))


def study_card(config: Config, view: StudyView, folder: Path) -> StudyCard:
    """The tables, charts, figures and the page of a study.

    Args:
        config: of any point of the study.
        view: the study.
        folder: the study's folder, in which its report is.

    Returns:
        Everything that the study's own run in W&B shows.
    """
    charts = charts_of(view)
    results = results_table(view)
    rows = results.astype(object).where(results.notna(), None).to_numpy().tolist()
    return StudyCard(
        run=_run_card(config, view),
        runs=[(run.id, str(run.status.state)) for run in view.runs],
        tables={
            "results": Table(columns=list(results.columns), rows=rows),
            "claims": Table(columns=CLAIM_COLUMNS, rows=claim_rows(claims_record(view))),
            "errors": Table(columns=ERROR_COLUMNS, rows=charts.errors),
        },
        lines={DEPTH: _depth(charts), ENDS: _ends(charts)} if charts.depth else {},
        bars={"lrn": _lrn(charts)} if charts.lrn else {},
        figures={path.stem: path for path in sorted(folder.glob("figures/*.png"))},
        page=folder / "report.html",
    )


def _run_card(config: Config, view: StudyView) -> RunCard:
    typed = command_line().replace("task=sync", "task=report")  # an upload makes no report
    about = f"{view.asks}\n\n{typed}" if view.asks else typed
    return RunCard(
        id=study_run_id(view.name),
        name=f"{JOB_TYPE}-{view.name}",
        group=view.name,
        job_type=JOB_TYPE,
        tags=(JOB_TYPE, *config.tracking.tags),
        notes="\n\n".join(filter(None, (config.tracking.notes, about))),
        config={
            "job_type": JOB_TYPE,
            "arm": JOB_TYPE,  # a group of its own where runs are grouped by arm
            "study": {"name": view.name, "asks": view.asks, "paper": view.paper},
            "command": typed,
            "runs": sorted(point.id for point in view.points),
        },
    )


def _depth(charts: Charts) -> Lines:
    """A line a treatment, with its seeds and the standard errors of its means in the legend."""
    return Lines(
        title="Top-1 test error, %, against weight layers",
        x_label="weight layers",
        series={_legend(band): (band.weight_layers, band.mean) for band in charts.depth},
    )


def _legend(band: Band) -> str:
    """``batch norm: n = 3 to 6, standard error 0.20 to 0.35``."""
    text = f"{band.name}: n = {_range(map(str, sorted(band.seeds)))}"
    errors = [f"{error:.2f}" for error in sorted(band.standard_error)]
    return text + (f", standard error {_range(errors)}" if errors else "")


def _range(values: Iterable[str]) -> str:
    known = list(values)
    return " to ".join(dict.fromkeys((known[0], known[-1])))


def _ends(charts: Charts) -> Lines:
    series: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for band in charts.depth:
        for edge, values in zip(EDGES, (band.low, band.high), strict=True):
            series[f"{band.name}: {edge}"] = band.weight_layers, values
    return Lines(
        title="Top-1 test error, %, against weight layers: ends of the intervals",
        x_label="weight layers",
        series=series,
    )


def _lrn(charts: Charts) -> Bars:
    return Bars(
        title="Local response normalisation: mean top-1 test error, %",
        label="net",
        value="top-1 error, %",
        bars=charts.lrn,
    )
