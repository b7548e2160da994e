"""Removes the user's home folder and passwords from what is written to files and the screen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_BEFORE = r"(?:(?<=://)|(?<![^\s'\"`=:,;(\[{<>|]))"
"""Where an absolute path may begin in a text."""
_AFTER = r"(?=$|[/\s'\"`:,;)\]}>|&?#]|\.(?:\s|$))"
"""Where a component of a path may end in a text."""
_CREDENTIALS = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/?#]*@", re.IGNORECASE)
_SECRET_FIELD = re.compile(
    r"([?&](?:api_?key|access_?key|token|access_token|password|secret|sig|signature)=)[^&\s'\"]*",
    re.IGNORECASE,
)


def without_home(text: str, instead: str = "~") -> str:
    """Return the text with ``~`` where a path in it begins with the user's home folder."""
    home = _home()
    return re.sub(_BEFORE + re.escape(home) + _AFTER, instead, text) if home else text


def without_home_in(tree: Any) -> Any:
    """Return plain values with ``~`` in every text; readers of a path expand it."""
    if isinstance(tree, str):
        if not tree.startswith("/"):
            return without_home(tree)
        # All of it is one path, whose other folders may be called anything.
        home = _home()
        return f"~{tree[len(home) :]}" if home and f"{tree}/".startswith(f"{home}/") else tree
    if isinstance(tree, Mapping):
        return {key: without_home_in(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [without_home_in(value) for value in tree]
    return tree


def without_secrets(text: str) -> str:
    """Return the text with ``***`` for user and password, or a key, in every address."""
    return _SECRET_FIELD.sub(r"\1***", _CREDENTIALS.sub(r"\1***@", text))


def for_others(text: str) -> str:
    """Return a text of a log or a record, which may be attached to a bug report."""
    return without_secrets(without_home(text))


def _home() -> str:
    """The home folder; empty where there is none, or it is the root of all files."""
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and no entry in the password file
        return ""
    return str(home) if len(home.parts) > 1 else ""
