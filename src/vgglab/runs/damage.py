"""Files of a run that hold what they should not: by an editor, a cloud drive, a full disk."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from vgglab.config.parse import ConfigError

log = logging.getLogger(__name__)

_PARQUET = b"PAR1"
"""Last bytes of a parquet file."""
_said: set[Path] = set()


class DamagedFile(ConfigError):
    """A file of a run that cannot be read for what it should be; the message names it."""

    def __init__(self, path: Path, error: Exception) -> None:
        reason = " ".join(str(error).split()) or type(error).__name__
        super().__init__(f"{path}: damaged ({reason})")
        self.path = path


def say_once(damaged: DamagedFile, what_follows: str) -> None:
    """Warn of a damaged file that is done without; once a process."""
    if damaged.path not in _said:
        _said.add(damaged.path)
        log.warning("%s; %s", damaged, what_follows)


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is no file.

    Raises:
        DamagedFile: it holds something else, or cannot be read.
    """
    try:
        found = json.loads(path.read_bytes().decode("utf-8"))
        if not isinstance(found, dict):
            raise TypeError("not a JSON object")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DamagedFile(path, error) from error
    return found


def is_whole_parquet(path: Path) -> bool:
    """Whether a file is there and ends as a parquet file does: cheap enough for every point."""
    try:
        with path.open("rb") as file:
            file.seek(-len(_PARQUET), os.SEEK_END)
            return file.read() == _PARQUET
    except OSError:  # not there, or shorter
        return False
