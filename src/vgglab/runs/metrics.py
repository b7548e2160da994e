"""``metrics.jsonl``: the append-only truth about a run when W&B is away."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vgglab.runs.atomic import write_text

log = logging.getLogger(__name__)

Record = dict[str, Any]
"""``step`` (optimiser steps done), ``epoch`` (fractional), ``images_seen``, ``time``, values."""
Mark = Mapping[str, Any]
"""Where a metrics file stood: its ``bytes`` and their ``sha256``. A checkpoint carries one."""


def _plain(value: Any) -> Any:
    """JSON has no NaN: a number that is not finite is written as null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


class MetricsLog:
    """Appends records to a file, a whole line at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes, self._digest = 0, hashlib.sha256()

    def record(self, record: Mapping[str, Any]) -> None:
        """Append one record and hand it to the operating system."""
        line = json.dumps({key: _plain(value) for key, value in record.items()}, allow_nan=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self._count(line + "\n")

    def _count(self, text: str) -> None:
        self._bytes += len(text)  # JSON is in ASCII
        self._digest.update(text.encode())

    def rewind(self, step: int) -> list[Record]:
        """Drop what was logged after the step that training resumes from; return the rest.

        A line that a kill cut short is dropped too.
        """
        kept = [record for record in _whole_records(self._path)[0] if record["step"] <= step]
        text = "".join(json.dumps(record) + "\n" for record in kept)
        write_text(self._path, text)
        self._bytes, self._digest = 0, hashlib.sha256()
        self._count(text)
        return kept

    def mark(self) -> Mark:
        """Flush the file to the disk and return where it stands, as this process has written it."""
        if self._path.exists():
            with self._path.open("rb") as file:
                os.fsync(file.fileno())
        return self._written()

    def _written(self) -> Mark:
        return {"bytes": self._bytes, "sha256": self._digest.hexdigest()}

    def is_as_written(self) -> bool:
        """Whether the file holds what this process has written."""
        return is_as_marked(self._path, self._written())


def is_as_marked(path: Path, mark: Mark | None) -> bool:
    """Whether a metrics file still begins as it was when it was marked.

    Without a mark (versions of before 27 November 2026) lines that are cut short in the middle of
    the file tell, and lost ones do not.
    """
    if mark is None:
        return not _whole_records(path)[1]
    content = path.read_bytes() if path.exists() else b""
    found = content[: mark["bytes"]]
    return bool(hashlib.sha256(found).hexdigest() == mark["sha256"])


def read_metrics(path: Path) -> list[Record]:
    """Every whole record of a metrics file; none where there is no file."""
    records, torn = _whole_records(path)
    if torn:
        log.warning("%s: %d lines of it are damaged and left out", path, torn)
    return records


def _whole_records(path: Path) -> tuple[list[Record], int]:
    """The whole records of a file, and the number of damaged lines before the last whole one.

    What follows that is no damage: the process died in the middle of the line.
    """
    if not path.exists():
        return [], 0
    records: list[Record] = []
    torn = torn_since = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict) and "step" in record:
            records.append(record)
            torn, torn_since = torn + torn_since, 0
        else:
            torn_since += 1
    return records, torn
