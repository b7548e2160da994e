"""Two runs, compared: settings, curves, and their answers to the same test images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vgglab.runs import RunRecord
from vgglab.runs.records import ProtocolErrors
from vgglab.study.claims.inference import ALPHA, holm
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.differences.image_by_image import Disagreement, disagreement
from vgglab.study.differences.parting import CurveGap, curve_gaps
from vgglab.study.differences.settings import (
    MACHINE,
    SOURCE,
    VERSIONS,
    FieldChange,
    RecordChange,
    field_changes,
    record_changes,
)
from vgglab.study.summary import place_in_order


@dataclass(frozen=True)
class ErrorGap:
    """The test errors of two runs under one protocol, percent."""

    protocol: str
    first: float | None
    """None: not tested under it."""
    second: float | None
    images: Disagreement | None
    """None where the runs' answers cannot be set side by side, as ``unpaired`` says."""
    unpaired: str = ""
    p_holm: float | None = None
    """Corrected for all protocols that both runs were tested under."""

    @property
    def difference(self) -> float | None:
        """Second less first, percentage points."""
        if self.first is None or self.second is None:
            return None
        return self.second - self.first

    @property
    def is_more_than_luck(self) -> bool:
        """Whether luck on the test images does not explain it; of nets this says nothing."""
        return self.p_holm is not None and self.p_holm <= ALPHA


@dataclass(frozen=True)
class TwoRuns:
    """What differs between two runs."""

    ids: tuple[str, str]
    folders: tuple[str, str]
    states: tuple[str, str]
    seeds: tuple[int, int]
    data: tuple[str, str]
    """Fingerprints; empty where not known."""
    fields: list[FieldChange]
    records: list[RecordChange]
    curves: list[CurveGap]
    errors: list[ErrorGap]


def compare_runs(
    runs: tuple[RunRecord, RunRecord], data: tuple[str, str], reader: MistakesReader
) -> TwoRuns:
    """Compare two runs.

    Args:
        runs: both.
        data: the fingerprint of the data of each; empty where it is not known.
        reader: knows which test images each got wrong.
    """
    first, second = runs
    return TwoRuns(
        ids=(first.id, second.id),
        folders=(str(first.directory.path), str(second.directory.path)),
        states=(str(first.state), str(second.state)),
        seeds=(first.config.seed, second.config.seed),
        data=data,
        fields=field_changes([first.config], [second.config]),
        records=record_changes([first], [second], [VERSIONS, MACHINE, SOURCE]),
        curves=curve_gaps(first, second),
        errors=_errors(first, second, data_differ(runs, data), reader),
    )


def data_differ(runs: tuple[RunRecord, RunRecord], data: tuple[str, str]) -> str:
    """Why two runs are known to have other test images; empty where they are not."""
    names = [run.config.data.name for run in runs]
    if names[0] != names[1]:
        return f"data {names[0]} and {names[1]}"
    return "other data fingerprints" if all(data) and data[0] != data[1] else ""


def _errors(
    first: RunRecord, second: RunRecord, other_data: str, reader: MistakesReader
) -> list[ErrorGap]:
    ours, theirs = first.result.get("errors", {}), second.result.get("errors", {})
    found: list[ErrorGap] = []
    for protocol in sorted({*ours, *theirs}, key=place_in_order):
        images, why = None, other_data
        if protocol in ours and protocol in theirs and not why:
            images, why = _answers(first, second, protocol, reader)
        errors = (_top1(ours.get(protocol)), _top1(theirs.get(protocol)))
        found.append(ErrorGap(protocol, *errors, images, why))
    paired = [gap for gap in found if gap.images]
    adjusted = holm(np.array([gap.images.p_value for gap in paired if gap.images]))
    corrected = {gap.protocol: float(p) for gap, p in zip(paired, adjusted, strict=True)}
    return [replace(gap, p_holm=corrected.get(gap.protocol)) for gap in found]


def _top1(errors: ProtocolErrors | None) -> float | None:
    return errors.get("top1_error") if errors else None


def _answers(
    first: RunRecord, second: RunRecord, protocol: str, reader: MistakesReader
) -> tuple[Disagreement | None, str]:
    """The images by who is right, or why they cannot be had."""
    ours, theirs = (reader.mistakes(run, protocol, 1) for run in (first, second))
    if ours is None or theirs is None:
        return None, "no predictions are kept"
    if not ours.same_images(theirs):
        return None, "other images or labels"
    return disagreement(ours, theirs), ""
