"""Removes the user's home folder from everything that is written to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def without_home(text: str) -> str:
    """Return the text with ``~`` in place of the user's home folder."""
    try:
        home = str(Path.home())
    except RuntimeError:  # no HOME, and no entry in the password file
        return text
    return text.replace(home, "~") if len(Path(home).parts) > 1 else text


def without_home_in(tree: Any) -> Any:
    """Return plain values with ``~`` in every text; readers of a path expand it."""
    if isinstance(tree, str):
        return without_home(tree)
    if isinstance(tree, Mapping):
        return {key: without_home_in(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [without_home_in(value) for value in tree]
    return tree
