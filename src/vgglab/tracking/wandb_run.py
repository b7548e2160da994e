"""A run's record in W&B: the same id before and after a resume, every record exactly once."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from numpy.typing import NDArray

from vgglab.config import TrackingConfig
from vgglab.tracking.cards import RunCard
from vgglab.tracking.offline_file import rows
from vgglab.tracking.session import open_run
from vgglab.tracking.upload_marks import mark_complete, mark_incomplete

log = logging.getLogger(__name__)

X_AXES = ("epoch", "images_seen")
"""Besides W&B's own step, which is the optimiser step."""
MINIMISED = ("_error", "/loss")
WRITE_SECONDS = 10.0
"""That W&B may take to write its last block after a run's end."""

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
    """Takes records as training makes them. Offline it keeps them under the run's directory.

    Whatever W&B does, training goes on. What it did not take is said, and marked for ``task=sync``,
    which makes it anew from ``metrics.jsonl``.
    """

    def __init__(self, tracking: TrackingConfig, card: RunCard, directory: Path) -> None:
        self._tracking, self._card, self._directory = tracking, card, directory
        self._run: wandb.Run | None = None
        self._lost = False
        self._defined: set[str] = set()
        self._rows = 0

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Open the W&B run and bring it to where training resumes.

        Rows carry the optimiser step as W&B's step. So online, where an earlier attempt's rows are
        kept, the repeated ones are ignored; offline, one new file holds the history and all that
        follows, and those of earlier attempts go.
        """
        mark_incomplete(self._directory)  # until the end says otherwise
        self._try("begin the run", self._open)
        for record in history:
            self.record(record)

    def _open(self) -> None:
        self._run = open_run(self._tracking, self._card, self._directory)
        for axis in X_AXES:
            self._run.define_metric(axis, hidden=True)

    def record(self, record: Mapping[str, Any]) -> None:
        """Add one row."""
        self._rows += 1
        self._try("take a row", lambda: self._log(record))

    def _log(self, record: Mapping[str, Any]) -> None:
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

        def keep() -> None:
            assert self._run is not None
            artifact = wandb.Artifact(
                f"model-{self._card.id}", type="model", metadata={"epoch": epoch} | dict(metadata)
            )
            # Immutable: uploaded from where it lies, without a copy.
            artifact.add_file(str(path), name=path.name, policy="immutable")
            self._run.log_artifact(artifact, aliases=["best", f"epoch-{epoch}"])

        self._try("keep the checkpoint", keep)

    def keep_predictions(self, protocol: str, predictions: Sequence[Prediction]) -> None:
        """Keep test images with what the net said of them."""

        def keep() -> None:
            assert self._run is not None
            rows: list[Iterable[Any]] = [
                [index, wandb.Image(image), *said] for index, image, *said in predictions
            ]
            table = wandb.Table(columns=PREDICTION_COLUMNS, data=rows)
            self._run.summary[f"predictions/{protocol}"] = table

        self._try("keep the predictions", keep)

    def finish(self, summary: Mapping[str, Any], exit_code: int) -> None:
        """Write the summary and close the run, as failed unless ``exit_code`` is 0."""

        def close() -> None:
            assert self._run is not None
            self._run.summary.update(dict(summary))
            self._run.finish(exit_code=exit_code)
            if self._run.offline:
                self._count(Path(self._run.dir).parent)
            mark_complete(self._directory)

        self._try("take all of the run in time", close)
        self._run = None

    def _count(self, attempt: Path) -> None:
        """Look whether W&B has written what it took: a full disk is nothing it complains of."""
        deadline = time.monotonic() + WRITE_SECONDS
        while (found := rows(attempt)) < self._rows:  # finish() does not wait for the last block
            if time.monotonic() > deadline:
                raise OSError(f"{attempt} holds {found} of {self._rows} rows")
            time.sleep(0.1)

    def _try(self, what: str, action: Callable[[], None]) -> None:
        """Do something with the run. Where that fails, the run is lost to W&B, and left alone."""
        if self._lost:
            return
        try:
            action()
        except Exception as error:  # W&B's are of many classes; none of them is worth a training
            self._lost = True
            reason = str(error).partition("\n")[0] or type(error).__name__
            log.warning(
                "W&B did not %s (%s): nothing is lost here, and task=sync uploads it", what, reason
            )
            if self._run is not None:
                with contextlib.suppress(Exception):
                    self._run.finish(exit_code=1)  # nothing, where that is what failed
