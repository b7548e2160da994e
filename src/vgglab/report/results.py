"""Everything that the sections of a report are written from, computed once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vgglab.report.wording import ArmNames, init_label
from vgglab.study import (
    Arm,
    Cost,
    Curve,
    ResultRow,
    StudyView,
    Summary,
    arms,
    costs,
    learning_curves,
    result_rows,
    summarise,
)
from vgglab.study.summary import place_in_order


@dataclass(frozen=True)
class Setting:
    """The fields that the arms of one table share."""

    protocol: str
    init: str
    variant: str

    @property
    def order(self) -> tuple[object, ...]:
        """The paper's order of protocols, then by name."""
        return place_in_order(self.protocol), self.init, self.variant


@dataclass(frozen=True)
class Results:
    """A study and what follows from it."""

    view: StudyView
    rows: tuple[ResultRow, ...]
    summaries: tuple[Summary, ...]
    costs: Mapping[Arm, Cost]
    curves: Mapping[Arm, tuple[Curve, ...]]
    arm_of: Mapping[str, Arm]
    """By point id."""
    names: ArmNames

    def by_setting(self) -> dict[Setting, list[Summary]]:
        """Summaries that may be compared with each other, in the order of their arms."""
        found: dict[Setting, list[Summary]] = {}
        for summary in self.summaries:
            setting = Setting(summary.protocol, summary.arm.init, summary.arm.variant)
            found.setdefault(setting, []).append(summary)
        return dict(sorted(found.items(), key=lambda item: item[0].order))

    def setting_heading(self, setting: Setting) -> str:
        """Heading that tells a setting from the others of the study; empty for an only one."""
        settings = list(self.by_setting())
        parts = []
        if len({s.protocol for s in settings}) > 1:
            parts.append(f"protocol {setting.protocol}")
        if len({s.init for s in settings}) > 1:
            parts.append(init_label(setting.init))
        if setting.variant:
            parts.append(setting.variant)
        return ", ".join(parts)


def results_of(view: StudyView) -> Results:
    """Compute every mean, curve and cost of a study."""
    arm_of = arms(view)
    return Results(
        view=view,
        rows=result_rows(view),
        summaries=summarise(view),
        costs={cost.arm: cost for cost in costs(view)},
        curves=learning_curves(view),
        arm_of=arm_of,
        names=ArmNames(arm_of.values()),
    )
