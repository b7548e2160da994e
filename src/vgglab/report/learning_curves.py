"""Section: training and validation curves."""

from __future__ import annotations

from vgglab.report.blocks import Block, Heading, Section
from vgglab.report.learning_curves_figure import curves_figure
from vgglab.report.results import Results
from vgglab.study import Arm, Curve


def curves_section(results: Results) -> Section | None:
    """A figure for each initialisation and variant; None before the first epoch of any run."""
    groups: dict[tuple[str, str], dict[Arm, tuple[Curve, ...]]] = {}
    for arm, curves in results.curves.items():
        groups.setdefault((arm.init, arm.variant), {})[arm] = curves
    blocks: list[Block] = []
    for i, group in enumerate(groups.values(), start=1):
        heading = results.names.setting(next(iter(group)))
        blocks += [Heading(heading)] if heading else []
        figure = curves_figure("curves" if i == 1 else f"curves_{i}", group)
        blocks += [figure] if figure else []
    return Section("curves", "Learning curves", blocks) if blocks else None
