"""What is written down says nothing of whose machine it was written on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def without_home(text: str) -> str:
    """The text with ``~`` in place of the user's home folder, as a shell prints it."""
    try:
        home = str(Path.home())
    except RuntimeError:  # no HOME, and no entry in the password file
        return text
    return text.replace(home, "~") if len(Path(home).parts) > 1 else text


def without_home_in(tree: Any) -> Any:
    """Plain values with ``~`` in every text; who reads a path of them expands it."""
    if isinstance(tree, str):
        return without_home(tree)
    if isinstance(tree, Mapping):
        return {key: without_home_in(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [without_home_in(value) for value in tree]
    return tree
