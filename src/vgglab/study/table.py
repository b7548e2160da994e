"""The tidy table of a study: ``results.csv``."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from vgglab.runs import RunRecord, State, Status
from vgglab.runs.records import ProtocolErrors, is_guessing
from vgglab.study.arms import arms
from vgglab.study.view import MissingPoint, StudyView, once_a_view

if TYPE_CHECKING:
    import pandas as pd

STEP_PARTS = ("data_ms", "forward_ms", "backward_ms", "optimiser_ms", "logging_ms")
MEASURED = (
    "step_ms",
    *STEP_PARTS,
    "images_per_second",
    "mfu",
    "peak_memory_mib",
    "train_seconds",
)
"""Columns measured in training: keys of ``speed`` in ``result.json``."""


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One run under one protocol; all fields but the last are columns, errors are percentages.

    A run without test errors has one row with an empty protocol.
    """

    run: str
    model: str
    norm: str
    init: str
    width: float
    data: str
    image_size: int
    """Side, px."""
    seed: int
    state: str
    reason: str
    parent: str
    """Id of the run whose weights this one started from; empty if it drew its own."""
    weight_layers: int
    protocol: str
    top1_error: float | None
    top5_error: float | None
    loss: float | None
    images: int | None
    """Test images that the errors are over."""
    best_epoch: int | None
    validation_top1_error: float | None
    """Lowest of any epoch."""
    parameters: int | None
    macs: int | None
    """Multiply-accumulates for one image."""
    activations_all: int | None
    step_ms: float | None
    """A whole step; ``data_ms`` to ``logging_ms`` are its parts, on average."""
    data_ms: float | None
    forward_ms: float | None
    backward_ms: float | None
    optimiser_ms: float | None
    logging_ms: float | None
    images_per_second: float | None
    mfu: float | None
    """Percent of what the machine's measured ceiling allows."""
    peak_memory_mib: float | None
    train_seconds: float | None
    epochs: int
    batch_size: int
    learning_rate: float
    precision: str
    threads: int | None
    classes: int = dataclasses.field(metadata={"is_column": False})

    @property
    def is_guessing(self) -> bool:
        """The run finished, and its net hardly does better than to guess."""
        return self._is_tested and is_guessing(self.top1_error or 0.0, self.classes)

    @property
    def trained(self) -> bool:
        """The run finished and its error under this protocol counts: it enters the mean."""
        return self._is_tested and not self.is_guessing

    @property
    def _is_tested(self) -> bool:
        return self.state == State.FINISHED and self.top1_error is not None


_DTYPES: dict[Any, str] = {
    str: "str",
    int: "Int64",
    float: "float64",
    int | None: "Int64",
    float | None: "float64",
}


def _about_point(point: RunRecord | MissingPoint) -> dict[str, Any]:
    """The columns that hold under every protocol."""
    config = point.config
    status = point.status if isinstance(point, RunRecord) else Status(state=point.state)
    result = point.result
    cost, speed = result.get("cost", {}), result.get("speed", {})
    hardware, validation = result.get("hardware", {}), result.get("validation", {})
    return {
        "run": point.id,
        "model": config.model.full_name,
        "norm": config.norm.name,
        "init": config.init.name,
        "width": config.model.width,
        "data": config.data.name,
        "classes": config.data.classes,
        "image_size": config.data.image_size,
        "seed": config.seed,
        "state": status.state.value,
        "reason": status.reason,
        "parent": status.parent,
        "weight_layers": config.model.net.weight_layers,
        "best_epoch": validation.get("best_epoch"),
        "validation_top1_error": validation.get("best_top1_error"),
        **{name: cost.get(name) for name in ("parameters", "macs", "activations_all")},
        **{name: speed.get(name) for name in MEASURED},
        "epochs": config.recipe.epochs,
        "batch_size": config.recipe.batch_size,
        "learning_rate": config.recipe.learning_rate,
        "precision": hardware.get("precision") or config.trainer.precision,
        "threads": hardware.get("threads"),
    }


@once_a_view
def result_rows(view: StudyView) -> tuple[ResultRow, ...]:
    """One row a run and protocol, ordered by arm, seed, run and protocol."""
    arm_of = arms(view)
    rows: list[ResultRow] = []
    for point in sorted(view.points, key=lambda p: (arm_of[p.id], p.config.seed, p.id)):
        about = _about_point(point)
        untested: dict[str, ProtocolErrors] = {"": {}}
        for protocol, found in sorted((point.result.get("errors") or untested).items()):
            rows.append(
                ResultRow(
                    **about,
                    protocol=protocol,
                    top1_error=found.get("top1_error"),
                    top5_error=found.get("top5_error"),
                    loss=found.get("loss"),
                    images=found.get("images"),
                )
            )
    return tuple(rows)


def results_table(view: StudyView) -> pd.DataFrame:
    """``result_rows`` as a frame; integers are nullable, what is not known is empty."""
    import pandas as pd  # not above: half a second that most commands have no use for

    hints = get_type_hints(ResultRow)
    columns = [
        field.name
        for field in dataclasses.fields(ResultRow)
        if field.metadata.get("is_column", True)
    ]
    frame = pd.DataFrame([dataclasses.asdict(r) for r in result_rows(view)], columns=columns)
    return frame.astype({name: _DTYPES[hints[name]] for name in columns})
