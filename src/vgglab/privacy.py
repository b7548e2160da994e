"""Removes the user's home folder and passwords from what is written to files and the screen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

_BEFORE = r"(?:(?<=://)|(?<![^\s'\"`=:,;(\[{<>|]))"
"""Where an absolute path may begin in a text."""
_AFTER = r"(?=$|[/\s'\"`:,;)\]}>|&?#]|\.(?:\s|$))"
"""Where a component of a path may end in a text."""
_CREDENTIALS = re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/?#]*@", re.IGNORECASE)
_FOLDERS = re.compile(
    _BEFORE + r"(?:~|/[^\s/'\"`:,;()\[\]{}<>|]+)(?:/[^\s/'\"`:,;()\[\]{}<>|]+)+/?"
)
"""An absolute path, or one from the home, of two names or more."""
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
    return _texts_mapped(tree, _path_without_home)


def _path_without_home(text: str) -> str:
    if not text.startswith("/"):
        return without_home(text)
    # All of it is one path, whose other folders may be called anything.
    home = _home()
    return f"~{text[len(home) :]}" if home and f"{text}/".startswith(f"{home}/") else text


def without_folders_in(tree: Any) -> Any:
    """Return plain values in which an absolute path, or one from the home, is its last name alone:
    what another machine's user may know of this one's folders."""
    return _texts_mapped(tree, _without_folders)


def _without_folders(text: str) -> str:
    if text.startswith("/"):  # all of it is one path, whose names may hold anything
        return PurePosixPath(text).name
    return _FOLDERS.sub(lambda found: PurePosixPath(found[0]).name, text)


def without_secrets_in(tree: Any) -> Any:
    """Return plain values with ``***`` in every text, as ``without_secrets`` does."""
    return _texts_mapped(tree, without_secrets)


def _texts_mapped(tree: Any, change: Callable[[str], str]) -> Any:
    if isinstance(tree, str):
        return change(tree)
    if isinstance(tree, Mapping):
        return {key: _texts_mapped(value, change) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_texts_mapped(value, change) for value in tree]
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
