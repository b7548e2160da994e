"""Section: what each net costs, and what that buys."""

from __future__ import annotations

from vgglab.report.blocks import Block, Heading, Paragraph, Section, Table
from vgglab.report.cost_figure import cost_figure
from vgglab.report.results import Results
from vgglab.report.setup import hardware_values
from vgglab.report.wording import grouped, measured


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
            measured(cost.peak_memory_mib, 0),
            measured(cost.train_seconds, 0),
        ]
        for cost in results.costs.values()
    ]
    columns = ["net", "parameters", "MACs an image", "activations an image", "time a step, ms"]
    columns += ["images/s", "peak memory, MiB", "training time, s"]
    caption = (
        "Parameters, multiply-accumulates (MACs) and activations follow from the net. Times and "
        "memory are measured in training: mean (lowest to highest) over seeds."
    )
    setting, summaries = next(iter(results.by_setting().items()))
    heading = results.setting_heading(setting)
    figure = cost_figure("error_vs_cost", summaries, results.costs)
    blocks: list[Block] = [Heading(heading)] if figure and heading else []
    blocks += [figure] if figure else []
    blocks.append(Table(columns, rows, caption))
    differing = [name for name, values in hardware_values(results.view).items() if len(values) > 1]
    if differing:
        text = f"Runs differ in {', '.join(differing)}: their times are not comparable as they are."
        blocks.append(Paragraph(text))
    return Section("cost", "Cost", blocks)
