"""The panels of a study's dashboard, by section.

They average over seeds and nothing else: each panel groups by ``cfg.arm``, shows the mean and
shades the standard error. W&B's legends have no variable for the number of runs in a group: it
stands in the title. Tests check that runs log every name that is used here, and that each group is
one arm.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import wandb_workspaces.reports.v2.interface as wr

from vgglab.tracking.cards import Dashboard
from vgglab.tracking.study_run import LINES, PAGE, chart_key
from vgglab.tracking.wandb_internals import set_id

ARM = wr.Config("cfg.arm")
DEPTH = wr.Config("cfg.net.weight_layers")
COLUMNS, HEIGHT = 24, 8
"""Width of W&B's grid of panels and height of a panel, in grid cells; three panels a row."""


@dataclass(frozen=True)
class PanelSection:
    """A titled row of panels."""

    name: str
    panels: Sequence[Any]


def sections(dashboard: Dashboard) -> list[PanelSection]:
    """Return every section of a study's dashboard, with a place and a fixed id for each panel."""
    seeds = _OverSeeds(dashboard)
    protocol = dashboard.protocols[0]
    found = [
        PanelSection("Error against depth", _depth(dashboard, seeds)),
        PanelSection("Local response normalisation", _lrn(protocol, seeds)),
        PanelSection("Batch norm", _norm(protocol, seeds)),
        PanelSection("Curves", _curves(seeds)),
        PanelSection("Cost", _cost(protocol, seeds)),
        PanelSection("Study report", _report(dashboard.figures)),
        PanelSection("Run comparer", [wr.RunComparer(diff_only="split")]),
    ]
    for section in found:
        _arrange(section)
    return found


def shown_runs(dashboard: Dashboard) -> int:
    """All runs of a study and its own; W&B shows ten unless told."""
    return len(dashboard.runs) + 1


def _arrange(section: PanelSection) -> None:
    """Give each panel its place and a fixed id, so that the same study gives the same bytes."""
    wide = len(section.panels) == 1
    width = COLUMNS if wide else COLUMNS // 3
    for i, panel in enumerate(section.panels):
        digest = hashlib.sha256(f"{section.name}/{i}".encode()).hexdigest()
        set_id(panel, digest[:12])
        row, column = divmod(i, COLUMNS // width)
        panel.layout = wr.Layout(x=column * width, y=row * HEIGHT, w=width, h=HEIGHT)


class _OverSeeds:
    """Makes panels of a mean over the seeds of each arm."""

    def __init__(self, dashboard: Dashboard) -> None:
        self._seeds, self._counted = dashboard.seeds, dashboard.counted
        self._shared: dict[str, Any] = {
            "groupby": ARM,
            "groupby_aggfunc": "mean",
            "groupby_rangefunc": "stderr",
            "max_runs_to_show": shown_runs(dashboard),
        }

    def bars(self, title: str, metric: str, unit: str) -> wr.BarPlot:
        """The arms' means of a number that each run has once.

        Args:
            title: of the panel.
            metric: as W&B names it.
            unit: stands at the axis.
        """
        return wr.BarPlot(
            title=f"{title}; {_about(self._counted.get(metric, ()))}",
            metrics=[metric],
            title_x=unit,
            orientation="v",
            max_bars_to_show=self._shared["max_runs_to_show"],
            **self._shared,
        )

    def line(
        self, title: str, metric: str, unit: str, *, log: bool = False, x: str = "epoch"
    ) -> wr.LinePlot:
        """The arms' means of a number that each run logs as it trains.

        Args:
            title: of the panel, without what is shown of the seeds.
            metric: name of the number.
            unit: of the number.
            log: whether its axis is logarithmic.
            x: name of the number on the other axis.
        """
        return wr.LinePlot(
            title=f"{title}; {_about(self._seeds)}",
            x=x,
            y=[metric],
            title_y=unit,
            log_y=log or None,
            **self._shared,
        )


def _about(runs: Sequence[int]) -> str:
    """What is shown of so many runs of each arm."""
    counts = sorted(set(runs) or {0})
    n = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return f"mean and standard error, n = {n}"


def _depth(dashboard: Dashboard, seeds: _OverSeeds) -> list[Any]:
    panels: list[Any] = [_chart(name) for name in dashboard.charts]
    for protocol in dashboard.protocols:
        for k in dashboard.top_k:
            error, title = f"test/{protocol}/top{k}_error", f"top-{k} test error, {protocol}"
            panels += [
                wr.ScatterPlot(
                    title=f"{title}, against weight layers", x=DEPTH, y=wr.SummaryMetric(error)
                ),
                seeds.bars(f"{title}, by net", error, "%"),
            ]
    panels.append(seeds.bars("lowest validation error, by net", "validation/best_top1_error", "%"))
    return panels


def _chart(name: str) -> wr.CustomChart:
    """A line chart of the study's own run: one line a treatment, its legend with n."""
    return wr.CustomChart(
        query={"summaryTable": {"tableKey": f"{chart_key(name)}_table"}},
        chart_name=LINES,
        chart_fields={column: column for column in ("step", "lineKey", "lineVal")},
        chart_strings={"title": name.replace("_", " "), "xname": "weight layers"},
    )


def _lrn(protocol: str, seeds: _OverSeeds) -> list[Any]:
    return [
        seeds.bars("test error: compare a with a_lrn", f"test/{protocol}/top1_error", "%"),
        seeds.bars("time a step: compare a with a_lrn", "whole_run/step_ms", "ms"),
        seeds.bars("peak memory: compare a with a_lrn", "whole_run/peak_memory_mib", "MiB"),
    ]


def _norm(protocol: str, seeds: _OverSeeds) -> list[Any]:
    return [
        seeds.bars("test error: compare d with d-bn", f"test/{protocol}/top1_error", "%"),
        seeds.line("validation error: compare d with d-bn", "validation/top1_error", "%"),
        seeds.line("training loss by net", "train/loss", "nats", log=True),
    ]


def _curves(seeds: _OverSeeds) -> list[Any]:
    return [
        seeds.line("validation top-1 error", "validation/top1_error", "%"),
        seeds.line("training top-1 error", "train/top1_error", "%"),
        seeds.line("validation loss", "validation/loss", "nats", log=True),
        seeds.line("training loss", "train/loss", "nats", log=True),
        seeds.line("loss of a step", "train/step_loss", "nats", log=True, x="images_seen"),
        seeds.line("learning rate", "learning_rate", ""),
    ]


def _cost(protocol: str, seeds: _OverSeeds) -> list[Any]:
    error = wr.SummaryMetric(f"test/{protocol}/top1_error")
    return [
        wr.ScatterPlot(
            title="test error against multiply-accumulates an image",
            x=wr.Config("cfg.net.macs"),
            y=error,
            log_x=True,
        ),
        wr.ScatterPlot(
            title="test error against parameters",
            x=wr.Config("cfg.net.parameters"),
            y=error,
            log_x=True,
        ),
        seeds.bars("training time", "whole_run/train_seconds", "s"),
        seeds.bars("images a second", "whole_run/images_per_second", "1/s"),
        seeds.bars("MFU: share of the machine's measured ceiling", "whole_run/mfu", "%"),
        seeds.bars("peak memory", "whole_run/peak_memory_mib", "MiB"),
    ]


def _report(figures: Sequence[str]) -> list[Any]:
    """Return the panels of the study's own run, which alone has figures and the page."""
    return [
        wr.MediaBrowser(title=name.replace("_", " "), media_keys=[f"figures/{name}"])
        for name in figures
    ] + [wr.MediaBrowser(title="the report, as it opens offline", media_keys=[PAGE])]
