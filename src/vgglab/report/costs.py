"""Section: what each net costs, in parameters and in time, and what that buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from vgglab.report.blocks import Block, Figure, Heading, Paragraph, Section, Table
from vgglab.report.results import Results
from vgglab.report.setup import hardware_values
from vgglab.report.style import NORM_MARKERS, canvas, grid, norm_colour, small_type
from vgglab.report.wording import grouped, measured, model_label, norm_label
from vgglab.study import STEP_PARTS, Arm, Cost, Estimate, Summary, norm_order

_COSTS = (
    ("parameters", "parameters, millions", 1e6),
    ("macs", "MACs an image, millions", 1e6),
    ("activations_all", "activations an image, thousands", 1e3),
    ("train_seconds", "training time, s", 1.0),
)
_SPEEDS = (
    ("images_per_second", "images a second", 1.0),
    ("mfu", "MFU, % of the ceiling", 1.0),
    ("step_ms", "time a step, ms", 1.0),
    ("peak_memory_mib", "peak memory, MiB", 1.0),  # a GPU's where one trained
)
"""Field of ``Cost``, label, unit."""


SPREAD = 1.05
"""Greatest over least value from which on a panel says something of the nets."""


def _value(cost: Cost, name: str, unit: float) -> float | None:
    found = getattr(cost, name)
    if isinstance(found, Estimate):
        found = found.mean
    return None if found is None else found / unit


def cost_figure(
    name: str, summaries: Sequence[Summary], costs: Mapping[Arm, Cost]
) -> Figure | None:
    """Draw the mean error of each net against four costs.

    Args:
        name: of the figure's files.
        summaries: one an arm, under one protocol.
        costs: by arm; one without is left out.

    Returns:
        None with fewer than two nets.
    """
    caption = (
        "Each mark is a net, mean over the seeds that trained; costs on a log scale. "
        "Parameters, multiply-accumulates and activations follow from the net, training time "
        "was measured."
    )
    title = "Error against parameters, MACs, activations, time"
    return _figure(name, _COSTS, summaries, costs, title, caption)


def speed_figure(
    name: str, summaries: Sequence[Summary], costs: Mapping[Arm, Cost]
) -> Figure | None:
    """Draw the mean error of each net against its measured speed.

    Args:
        name: of the figure's files.
        summaries: one an arm, under one protocol.
        costs: by arm; one whose speed was not measured is left out.

    Returns:
        None with fewer than two nets.
    """
    caption = (
        "Each mark is a net, mean over the seeds that trained; all four were measured in "
        "training, on a log scale. MFU is the share of the fastest matrix product or convolution "
        "seen on that machine. Memory is a GPU's where one trained, else the machine's."
    )
    measured = {arm: c for arm, c in costs.items() if c.mfu is not None}
    return _figure(name, _SPEEDS, summaries, measured, "Error against speed and memory", caption)


def _figure(
    name: str,
    panels_of: Sequence[tuple[str, str, float]],
    summaries: Sequence[Summary],
    costs: Mapping[Arm, Cost],
    title: str,
    caption: str,
) -> Figure | None:
    shown = [s for s in summaries if s.top1 and s.arm in costs]
    if len(shown) < 2:
        return None
    telling = [panel for panel in panels_of if _tells_apart(panel, shown, costs)]
    if not telling:
        return None
    if len(telling) < len(panels_of):
        alike = ", ".join(panel[1].partition(",")[0] for panel in panels_of if panel not in telling)
        caption += f" Left out, for the nets do not differ in it by {SPREAD - 1:.0%}: {alike}."
    return Figure(name, title, caption, partial(_drawn, telling, shown, costs))


def _tells_apart(
    panel: tuple[str, str, float], shown: Sequence[Summary], costs: Mapping[Arm, Cost]
) -> bool:
    """Whether the nets differ enough in a cost for a panel of it to say something."""
    field, _, unit = panel
    values = [v for s in shown if (v := _value(costs[s.arm], field, unit)) is not None]
    return len(values) > 1 and max(values) > SPREAD * min(values)


def _drawn(
    panels_of: Sequence[tuple[str, str, float]],
    shown: Sequence[Summary],
    costs: Mapping[Arm, Cost],
) -> Canvas:
    """Draw a panel for each kind of cost: ``panels_of`` has its field, label and unit."""
    norms = sorted({s.arm.norm for s in shown}, key=norm_order)
    rows = -(-len(panels_of) // 2)
    figure, panels = canvas(rows, min(2, len(panels_of)), height=0.6 + 2 * rows, share=False)
    for empty in panels[len(panels_of) :]:
        empty.set_visible(False)
    for axes, (field, label, unit) in zip(panels, panels_of, strict=False):
        grid(axes)
        for summary in shown:
            _draw(axes, summary, _value(costs[summary.arm], field, unit))
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(0.12)
        axes.set_xlabel(label)
    figure.supylabel("top-1 test error, %", fontsize="medium")
    if len(norms) > 1:
        for norm in norms:
            panels[0].plot(
                [], [], NORM_MARKERS[norm], color=norm_colour(norm), label=norm_label(norm)
            )
        figure.legend(loc="outside lower center", ncols=2)
    return figure


def _draw(axes: Axes, summary: Summary, value: float | None) -> None:
    if value is None or summary.top1 is None:
        return
    norm = summary.arm.norm
    axes.plot(value, summary.top1.mean, NORM_MARKERS[norm], color=norm_colour(norm), markersize=5)
    axes.annotate(
        model_label(summary.arm.model),
        (value, summary.top1.mean),
        xytext=(4, 3),
        textcoords="offset points",
        fontsize=small_type(),
    )


def cost_section(results: Results) -> Section | None:
    """Parameters and operations of each net, and its measured speed; None where none is known."""
    if not results.costs:
        return None
    rows = [
        [
            results.names(cost.arm),
            grouped(cost.parameters),
            grouped(cost.macs),
            grouped(cost.activations_all),
            measured(cost.step_ms, 1),
            measured(cost.images_per_second, 0),
            measured(cost.mfu, 1),
            measured(cost.peak_memory_mib, 0),
            measured(cost.train_seconds, 0),
        ]
        for cost in results.costs.values()
    ]
    columns = ["net", "parameters", "MACs an image", "activations an image", "time a step, ms"]
    columns += ["images/s", "MFU, %", "peak memory, MiB", "training time, s"]
    caption = (
        "Parameters, multiply-accumulates (MACs) and activations follow from the net. Times and "
        "memory are measured in training: mean (lowest to highest) over the seeds that trained, or "
        "over all where none did."
    )
    setting, summaries = next(iter(results.by_setting().items()))
    heading = results.setting_heading(setting)
    drawn = (
        cost_figure("error_vs_cost", summaries, results.costs),
        speed_figure("error_vs_speed", summaries, results.costs),
    )
    figures = [figure for figure in drawn if figure]
    blocks: list[Block] = [Heading(heading)] if figures and heading else []
    blocks += [*figures, Table(columns, rows, caption), *_step_parts(results)]
    differing = [name for name, values in hardware_values(results.view).items() if len(values) > 1]
    if differing:
        text = f"Runs differ in {', '.join(differing)}: their times are not comparable as they are."
        blocks.append(Paragraph(text))
    return Section("cost", "Cost", blocks)


def _step_parts(results: Results) -> list[Block]:
    """Where the time of a step goes, net by net; nothing where no run knows."""
    known = [cost for cost in results.costs.values() if any(cost.step_parts.values())]
    if not known:
        return []
    rows = [
        [results.names(cost.arm), *(measured(cost.step_parts[part], 2) for part in STEP_PARTS)]
        for cost in known
    ]
    columns = ["net", *(f"{part.removesuffix('_ms')}, ms" for part in STEP_PARTS)]
    caption = (
        "Where the time of a training step goes: mean (lowest to highest) over the same seeds. "
        "Data is the wait for a batch and its augmentation on the device."
    )
    return [Table(columns, rows, caption)]
