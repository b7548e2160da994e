"""The mark that tells a copy of an image folder from the original. Knows no torch."""

from __future__ import annotations

import json
from pathlib import Path

from vgglab.data.errors import DataError

MARK = "prepared.json"
"""File in a copy that says what it was made from and how, and whether it is complete."""


def check_complete(root: Path) -> None:
    """
    Raises:
        DataError: the folder is a copy that was not finished.
    """
    mark = root / MARK
    if mark.exists() and not json.loads(mark.read_text(encoding="utf-8"))["complete"]:
        raise DataError(
            f"{root}: a copy that is not complete; run the task=prepare that made it again"
        )
