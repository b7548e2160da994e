"""Sends a run to W&B under one id, resumed or not, with every record exactly once."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import wandb
from numpy.typing import NDArray

from vgglab.config import TrackingConfig
from vgglab.privacy import without_secrets
from vgglab.tracking.cards import RunCard
from vgglab.tracking.local_files import mark_complete, mark_incomplete
from vgglab.tracking.offline_file import rows
from vgglab.tracking.session import open_run

log = logging.getLogger(__name__)

X_AXES = ("epoch", "images_seen")
"""Axes besides W&B's own step, which is the optimiser step."""
MINIMISED = ("_error", "/loss")
WRITE_SECONDS = 10.0
"""Longest wait for W&B to write its last block after a run's end."""

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
    """Sends records to W&B while training makes them; offline, keeps them in the run's folder.

    No failure of W&B ends a training: it is logged and marked for ``task=sync``, which makes W&B's
    file again from ``metrics.jsonl``. Until ``start`` is called, W&B is not touched.

    Args:
        tracking: Project, entity, mode and time limits of W&B.
        card: What is known of the run.
        directory: The run's folder, which keeps W&B's files.
    """

    def __init__(self, tracking: TrackingConfig, card: RunCard, directory: Path) -> None:
        self._tracking, self._card, self._directory = tracking, card, directory
        self._run: wandb.Run | None = None
        self._lost = False
        self._defined: set[str] = set()
        self._rows = 0

    def start(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Open the W&B run and send the records up to where training resumes.

        Rows carry the optimiser step as W&B's step. Online, W&B therefore ignores the rows that it
        has from an earlier attempt; offline, one new file replaces those of earlier attempts.
        """
        mark_incomplete(self._directory)  # until finish() has seen every row
        self._try("begin the run", self._open)
        for record in history:
            self.record(record)

    def _open(self) -> None:
        self._run = open_run(self._tracking, self._card, self._directory)
        if not self._run.offline and self._run.url:
            print(f"W&B: {without_secrets(self._run.url)}", file=sys.stderr, flush=True)
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
        """Keep a file of weights as the run's model.

        Args:
            path: The checkpoint, which W&B uploads from where it lies.
            metadata: Plain values to store with it.
            epoch: Epoch of the weights, as the records count epochs.
        """

        def keep() -> None:
            assert self._run is not None
            artifact = wandb.Artifact(
                f"model-{self._card.id}", type="model", metadata={"epoch": epoch} | dict(metadata)
            )
            # Immutable: W&B uploads the file itself, without a copy.
            artifact.add_file(str(path), name=path.name, policy="immutable")
            self._run.log_artifact(artifact, aliases=["best", f"epoch-{epoch}"])

        self._try("keep the checkpoint", keep)

    def keep_predictions(self, protocol: str, predictions: Sequence[Prediction]) -> None:
        """Keep test images with the net's predictions."""

        def keep() -> None:
            assert self._run is not None
            rows: list[Iterable[Any]] = [
                [index, wandb.Image(image), *values] for index, image, *values in predictions
            ]
            table = wandb.Table(columns=PREDICTION_COLUMNS, data=rows)
            self._run.summary[f"predictions/{protocol}"] = table

        self._try("keep the predictions", keep)

    def alert(self, title: str, text: str) -> None:
        """Have W&B tell the user, where ``tracking.alerts`` asks for it."""

        def tell() -> None:
            if self._run is not None:
                self._run.alert(title=title, text=text, level="WARN")

        if self._tracking.alerts:
            self._try("tell of it", tell)

    def finish(self, summary: Mapping[str, Any], exit_code: int) -> None:
        """Write the summary and close the run, as failed unless ``exit_code`` is 0.

        Does nothing if the run was never started, or has been finished.
        """
        if self._run is None:
            return

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
        """Check that W&B has written every row: it does not report a full disk."""
        deadline = time.monotonic() + WRITE_SECONDS
        while (found := rows(attempt)) < self._rows:  # finish() does not wait for the last block
            if time.monotonic() > deadline:
                raise OSError(f"{attempt} holds {found} of {self._rows} rows")
            time.sleep(0.1)

    def _try(self, what: str, action: Callable[[], None]) -> None:
        """Do something with the run; after a failure, give up on W&B for this run."""
        if self._lost:
            return
        try:
            action()
        except Exception as error:  # of many classes; none may end a training
            self._lost = True
            reason = str(error).partition("\n")[0] or type(error).__name__
            log.warning(
                "W&B did not %s (%s): nothing is lost here, and task=sync uploads it", what, reason
            )
            if self._run is not None:
                with contextlib.suppress(Exception):
                    self._run.finish(exit_code=1)  # may be what has failed
