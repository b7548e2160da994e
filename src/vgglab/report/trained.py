"""Section: which nets trained, and what is known to help those that did not."""

from __future__ import annotations

from collections.abc import Iterable

from vgglab.report.blocks import Block, Bullets, Paragraph, Section, Table
from vgglab.report.results import Results
from vgglab.report.tables import seeds_trained
from vgglab.report.wording import HARDLY_BETTER, NONE
from vgglab.runs import RunRecord
from vgglab.runs.records import GUESSING
from vgglab.study import Arm
from vgglab.study.claims.tested import UNTRAINED


def trainability_section(results: Results) -> Section | None:
    """k of n seeds of each net, with the reasons; None where every run trains."""
    runs = [run for run in results.view.runs if run.state in UNTRAINED]
    if not runs and not any(GUESSING in summary.states for summary in results.summaries):
        return None
    blocks: list[Block] = [_table(results, runs)]
    if remedies := list(dict.fromkeys(r for run in runs for r in _remedies(run))):
        blocks.append(Paragraph("Known to help a net that is untrainable:"))
        blocks.append(Bullets(remedies))
    return Section("trainability", "Which nets trained", blocks)


def _table(results: Results, runs: Iterable[RunRecord]) -> Table:
    reasons: dict[Arm, list[str]] = {}
    for run in runs:
        reasons.setdefault(results.arm_of[run.id], []).append(
            f"seed {run.config.seed} {run.state}: {run.status.reason}"
        )
    first = results.summaries[0].protocol
    rows = [
        [
            results.names(summary.arm),
            seeds_trained(summary),
            "\n".join(reasons.get(summary.arm, [])) or NONE,
        ]
        for summary in results.summaries
        if summary.protocol == first
    ]
    caption = (
        "Seeds that trained, of those asked for. Untrainable: on the plateau of ln K, with no "
        "gradient that could move it; stopped by a rule that docs/trainability.md gives. At "
        f"chance: the run finished with {HARDLY_BETTER}."
    )
    columns = ["net", "seeds trained", "why the others did not"]
    return Table(columns, rows, caption, words=frozenset({0, 1, 2}))


def _remedies(run: RunRecord) -> list[str]:
    return run.result.get("trainability", {}).get("remedies", [])
