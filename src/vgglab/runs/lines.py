"""Append-only files of JSON lines that several processes may write, and a kill may cut short."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

Line = Mapping[str, Any]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a file; none where there is no file.

    A line that a kill cut short is passed over: the next one begins on a line of its own.
    """
    if not path.exists():
        return []
    found = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            found.append(line)
    return found


def append_lines(path: Path, following: Callable[[list[dict[str, Any]]], Sequence[Line]]) -> None:
    """Add the lines that follow from those in a file; no other process adds any meanwhile.

    Args:
        path: the file; it and its folder are made where they are missing.
        following: the lines to add, given those that there are.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        lines = following(read_lines(path))
        if not lines:
            return
        with path.open("a+b") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a kill cut the last line short
                    file.write(b"\n")
            text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
