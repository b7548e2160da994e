"""Runs as tables."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import pandas as pd

from vgglab.notebook.predictions import Predictions
from vgglab.study import StudyView, results_table

CURVE_COLUMNS = ("run", "epoch", "metric", "value")
_OF_A_RECORD = ("step", "epoch", "images_seen", "time")
"""Keys of a record that are no metric."""


class Runs:
    """Runs as tables. Made by ``vgglab.load_runs``; a ``Study`` is runs with a question.

    What has been read is kept: load anew to see what has been trained since.
    """

    def __init__(self, view: StudyView) -> None:
        self._view = view

    @cached_property
    def runs(self) -> pd.DataFrame:
        """One row a run and protocol; the columns are those of ``results.csv``."""
        return results_table(self._view)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row a value: run, epoch, metric, value; a value that was not finite is NaN."""
        rows: list[tuple[str, float, str, Any]] = [
            (run.id, record["epoch"], metric, value)
            for run in self._view.runs
            for record in run.metrics()
            for metric, value in record.items()
            if metric not in _OF_A_RECORD
        ]
        frame = pd.DataFrame(rows, columns=list(CURVE_COLUMNS))
        return frame.astype({"run": "str", "epoch": float, "metric": "str", "value": float})

    @cached_property
    def predictions(self) -> Predictions:
        """``(run, protocol)`` -> a frame with a row a test image, read when it is asked for."""
        return Predictions(self._view.runs)

    def __repr__(self) -> str:
        return f"<{len(self._view.runs)} runs: .runs, .curves, .predictions>"
