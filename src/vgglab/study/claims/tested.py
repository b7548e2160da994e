"""Under which test the runs of a comparison are compared: a label that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vgglab.config.claims import PROTOCOL, Claim, Metric
from vgglab.runs import RunRecord, State
from vgglab.study.view import MissingPoint

Point = RunRecord | MissingPoint
TOP_K: dict[Metric, int] = {"top1_error": 1, "top5_error": 5}
ANY = "any"
"""Label of a net of which no run trained: it was tested under none."""
UNTRAINED = (State.DIVERGED, State.UNTRAINABLE)
"""Outcomes of a run whose net did not learn."""


def labels_of(claim: Claim, nets: Sequence[Mapping[int, Point]]) -> tuple[str, ...] | None:
    """The label of each side's test of one net; None if a side has none, ``ANY`` where none of the
    runs that are to share it trained."""
    sides = list(zip(claim.compare, (list(net.values()) for net in nets), strict=True))
    common = [p for side, points in sides if PROTOCOL not in side for p in points]
    shared = common_label(claim.protocol, common, claim.metric)
    found = [
        common_label((str(side[PROTOCOL]),), points, claim.metric) if PROTOCOL in side else shared
        for side, points in sides
    ]
    if not all(found):
        return None
    shares = [points if PROTOCOL in side else common for side, points in sides]
    is_known = [any(point.state not in UNTRAINED for point in points) for points in shares]
    return tuple(str(label) if k else ANY for label, k in zip(found, is_known, strict=True))


def common_label(names: Sequence[str], points: Sequence[Point], metric: Metric) -> str | None:
    """The label of the first of these protocols under which all runs have an error; None: of none.

    A run that did not train was tested under none; where none did, it is one that they ask for.

    Args:
        names: of protocols.
        points: that are compared.
        metric: which of a test's errors.
    """
    if not points:
        return None
    asked = set.intersection(*(_asked(point, metric) for point in points))
    tested = [_offered(point, metric) for point in points if point.state not in UNTRAINED]
    shared = set.intersection(*tested) if tested else asked
    for name in names:
        fitting = [text for text in shared if text == name or text.startswith(f"{name}-")]
        if fitting:  # one that the runs ask for before one that was made later
            return min(fitting, key=lambda text: (text not in asked, text))
    return None


def _offered(point: Point, metric: Metric) -> set[str]:
    """Labels of the tests in which a run has an error, or will have it."""
    if point.state is State.FINISHED:
        errors = point.result.get("errors", {})
        return {label for label, found in errors.items() if metric in found}
    return _asked(point, metric)


def _asked(point: Point, metric: Metric) -> set[str]:
    """Labels of the tests with an error that a run's own config asks for."""
    if TOP_K[metric] not in point.config.protocol.top_k:
        return set()
    return {procedure.label for procedure in point.config.procedures}


def tested_under(claim: Claim, labels: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    """The label of each side's test: of the first net of which a run trained on each side; None
    where there is no net at all."""
    if not labels:
        return None
    known = next((found for found in labels if ANY not in found), labels[0])
    named = [str(side.get(PROTOCOL, claim.protocol[0])) for side in claim.compare]
    return tuple(name if label == ANY else label for label, name in zip(known, named, strict=True))


def agrees(labels: Sequence[str] | None, protocols: Sequence[str]) -> bool:
    """Whether a net was tested so, or would have been: a run of it that did not train was not."""
    return labels is not None and all(
        label in (ANY, protocol) for label, protocol in zip(labels, protocols, strict=True)
    )
