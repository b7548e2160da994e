"""``metrics.jsonl``: the append-only truth about a run when W&B is away."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vgglab.runs.atomic import write_text

Record = dict[str, Any]
"""``step`` (optimiser steps done), ``epoch`` (fractional), ``images_seen``, ``time``, values."""


def _plain(value: Any) -> Any:
    """JSON has no NaN: a number that is not finite is written as null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


class MetricsLog:
    """Appends records to a file, a whole line at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, record: Mapping[str, Any]) -> None:
        """Append one record and hand it to the operating system."""
        line = json.dumps({key: _plain(value) for key, value in record.items()}, allow_nan=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def rewind(self, step: int) -> list[Record]:
        """Drop what was logged after the step that training resumes from; return the rest.

        A line that a kill cut short is dropped too.
        """
        kept = [record for record in read_metrics(self._path) if record["step"] <= step]
        write_text(self._path, "".join(json.dumps(record) + "\n" for record in kept))
        return kept


def read_metrics(path: Path) -> list[Record]:
    """Every whole record of a metrics file; none where there is no file."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break  # the process died in the middle of this line; nothing whole follows
    return records
