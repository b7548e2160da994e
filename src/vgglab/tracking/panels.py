"""The panels of a study's dashboard, by section.

They aggregate over seeds: each panel groups by ``cfg.arm``, shows the mean and shades one standard
deviation. A test checks that runs log every name that is used here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import wandb_workspaces.reports.v2.interface as wr

from vgglab.tracking.study_run import PAGE
from vgglab.tracking.wandb_internals import set_id

ARM = wr.Config("cfg.arm")
DEPTH = wr.Config("cfg.net.weight_layers")
COLUMNS, HEIGHT = 24, 8
"""Width of W&B's grid of panels and height of a panel, in grid cells; three panels a row."""
OVER_SEEDS: dict[str, Any] = {
    "groupby": ARM,
    "groupby_aggfunc": "mean",
    "groupby_rangefunc": "stddev",
}


@dataclass(frozen=True)
class PanelSection:
    """A titled row of panels."""

    name: str
    panels: Sequence[Any]


def sections(
    protocols: Sequence[str], top_k: Sequence[int], figures: Sequence[str]
) -> list[PanelSection]:
    """Return every section of a study's dashboard.

    Args:
        protocols: Names of the protocols that its nets are tested under.
        top_k: The k of its top-k errors.
        figures: Names of the report's figures, which the study's own run shows.

    Returns:
        The sections, in order, with a place and a fixed id for each panel.
    """
    found = [
        PanelSection("Error against depth", _depth(protocols, top_k)),
        PanelSection("Local response normalisation", _lrn(protocols[0])),
        PanelSection("Batch norm", _norm(protocols[0])),
        PanelSection("Curves", _curves()),
        PanelSection("Cost", _cost(protocols[0])),
        PanelSection("Study report", _report(figures)),
        PanelSection("Run comparer", [wr.RunComparer(diff_only="split")]),
    ]
    for section in found:
        _arrange(section)
    return found


def _arrange(section: PanelSection) -> None:
    """Give each panel its place and a fixed id, so that the same study gives the same bytes."""
    wide = len(section.panels) == 1
    width = COLUMNS if wide else COLUMNS // 3
    for i, panel in enumerate(section.panels):
        digest = hashlib.sha256(f"{section.name}/{i}".encode()).hexdigest()
        set_id(panel, digest[:12])
        row, column = divmod(i, COLUMNS // width)
        panel.layout = wr.Layout(x=column * width, y=row * HEIGHT, w=width, h=HEIGHT)


def _bars(title: str, metric: str, unit: str) -> wr.BarPlot:
    return wr.BarPlot(title=title, metrics=[metric], title_x=unit, orientation="v", **OVER_SEEDS)


def _line(
    title: str, metric: str, unit: str, *, log: bool = False, x: str = "epoch"
) -> wr.LinePlot:
    return wr.LinePlot(title=title, x=x, y=[metric], title_y=unit, log_y=log or None, **OVER_SEEDS)


def _depth(protocols: Sequence[str], top_k: Sequence[int]) -> list[Any]:
    panels: list[Any] = []
    for protocol in protocols:
        for k in top_k:
            error, title = f"test/{protocol}/top{k}_error", f"top-{k} test error, {protocol}"
            panels += [
                wr.ScatterPlot(
                    title=f"{title}, against weight layers", x=DEPTH, y=wr.SummaryMetric(error)
                ),
                _bars(f"{title}, by net", error, "%"),
            ]
    panels.append(_bars("lowest validation error, by net", "validation/best_top1_error", "%"))
    return panels


def _lrn(protocol: str) -> list[Any]:
    return [
        _bars("test error: compare a with a_lrn", f"test/{protocol}/top1_error", "%"),
        _bars("time a step: compare a with a_lrn", "whole_run/step_ms", "ms"),
        _bars("peak memory: compare a with a_lrn", "whole_run/peak_memory_mib", "MiB"),
    ]


def _norm(protocol: str) -> list[Any]:
    by_norm = OVER_SEEDS | {"groupby": wr.Config("cfg.norm.name")}
    return [
        _bars("test error: compare d with d-bn", f"test/{protocol}/top1_error", "%"),
        wr.LinePlot(
            title="validation error with and without batch norm, all nets",
            x="epoch",
            y=["validation/top1_error"],
            title_y="%",
            **by_norm,
        ),
        _line("training loss by net", "train/loss", "nats", log=True),
    ]


def _curves() -> list[Any]:
    return [
        _line("validation top-1 error", "validation/top1_error", "%"),
        _line("training top-1 error", "train/top1_error", "%"),
        _line("validation loss", "validation/loss", "nats", log=True),
        _line("training loss", "train/loss", "nats", log=True),
        _line("loss of a step", "train/step_loss", "nats", log=True, x="images_seen"),
        _line("learning rate", "learning_rate", ""),
    ]


def _cost(protocol: str) -> list[Any]:
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
        _bars("training time", "whole_run/train_seconds", "s"),
        _bars("images a second", "whole_run/images_per_second", "1/s"),
        _bars("MFU: share of the machine's measured ceiling", "whole_run/mfu", "%"),
        _bars("peak memory", "whole_run/peak_memory_mib", "MiB"),
    ]


def _report(figures: Sequence[str]) -> list[Any]:
    """Return the panels of the study's own run, which alone has figures and the page."""
    return [
        wr.MediaBrowser(title=name.replace("_", " "), media_keys=[f"figures/{name}"])
        for name in figures
    ] + [wr.MediaBrowser(title="the report, as it opens offline", media_keys=[PAGE])]
