"""A run's record in W&B: the same id before and after a resume, every record exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from numpy.typing import NDArray

from vgglab.config import TrackingConfig
from vgglab.tracking.cards import RunCard
from vgglab.tracking.session import open_run

X_AXES = ("epoch", "images_seen")
"""Besides W&B's own step, which is the optimiser step."""
MINIMISED = ("_error", "/loss")

Prediction = tuple[int, NDArray[np.uint8], int, int, float, float]
"""Index, image (H, W, C), label, prediction, P(prediction), P(label)."""
PREDICTION_COLUMNS: list[str | int] = [
    "index",
    "image",
    "label",
    "prediction",
    "P(prediction)",
    "P(label)",
]


class WandbSink:
    """Takes records as training makes them. Offline it keeps them under the run's directory."""

    def __init__(self, tracking: TrackingConfig, card: RunCard, directory: Path) -> None:
        self._tracking, self._card, self._directory = tracking, card, directory
        self._run: wandb.Run | None = None
        self._defined: set[str] = set()

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Open the W&B run and bring it to where training resumes.

        Rows carry the optimiser step as W&B's step. So online, where an earlier attempt's rows are
        kept, the repeated ones are ignored; offline, one new file holds the history and all that
        follows, and those of earlier attempts go.
        """
        self._run = open_run(self._tracking, self._card, self._directory)
        for axis in X_AXES:
            self._run.define_metric(axis, hidden=True)
        for record in history:
            self.record(record)

    def record(self, record: Mapping[str, Any]) -> None:
        """Add one row."""
        assert self._run is not None
        values = {key: value for key, value in record.items() if key not in ("step", "time")}
        for name in values.keys() - self._defined - set(X_AXES):
            self._defined.add(name)
            # By its exact name: W&B takes the first pattern that fits and ignores later ones.
            summary = "min,last" if name.endswith(MINIMISED) else None
            self._run.define_metric(name, step_metric="epoch", summary=summary)
        self._run.log(values, step=record["step"])

    def keep_checkpoint(self, path: Path, metadata: Mapping[str, Any], epoch: int) -> None:
        """Keep a file of weights as the run's model."""
        assert self._run is not None
        artifact = wandb.Artifact(
            f"model-{self._card.id}", type="model", metadata={"epoch": epoch} | dict(metadata)
        )
        # Immutable: uploaded from where it lies, without a copy.
        artifact.add_file(str(path), name=path.name, policy="immutable")
        self._run.log_artifact(artifact, aliases=["best", f"epoch-{epoch}"])

    def keep_predictions(self, protocol: str, predictions: Sequence[Prediction]) -> None:
        """Keep test images with what the net said of them."""
        assert self._run is not None
        rows: list[Iterable[Any]] = [
            [index, wandb.Image(image), *said] for index, image, *said in predictions
        ]
        table = wandb.Table(columns=PREDICTION_COLUMNS, data=rows)
        self._run.summary[f"predictions/{protocol}"] = table

    def finish(self, summary: Mapping[str, Any], exit_code: int) -> None:
        """Write the summary and close the run, as failed unless ``exit_code`` is 0."""
        if self._run is not None:
            self._run.summary.update(dict(summary))
            self._run.finish(exit_code=exit_code)
            self._run = None
