"""Section: what each net costs, and what that buys."""

from __future__ import annotations

from vgglab.report.blocks import Block, Heading, Paragraph, Section, Table
from vgglab.report.costs_figure import cost_figure, speed_figure
from vgglab.report.results import Results
from vgglab.report.setup import hardware_values
from vgglab.report.wording import grouped, measured
from vgglab.study import STEP_PARTS


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
        "memory are measured in training: mean (lowest to highest) over seeds."
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
        "Where the time of a training step goes: mean (lowest to highest) over seeds. Data is the "
        "wait for a batch and its augmentation on the device."
    )
    return [Table(columns, rows, caption)]
