"""Runs a study from a copy of its source: what is edited afterwards is for a later launch.

The launcher goes on with the source that it has imported, and composes from the copy; its points,
wherever and whenever they start, have both from there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from vgglab import checkout
from vgglab.launch import snapshot
from vgglab.privacy import without_home_in
from vgglab.runs.atomic import write_json
from vgglab.workflow.compose import compose_from
from vgglab.workflow.provenance import commit, source


@contextlib.contextmanager
def from_a_copy(study: Path, paths: Sequence[str]) -> Iterator[None]:
    """Copy the source into a study's folder, unless it has one of the same content, and enter it.

    A copy from which no point was started goes at the end.

    Args:
        study: The study's folder.
        paths: Folders of runs, studies and data, as configured, which hold no configs of a user's.

    Raises:
        ConfigError: the folder of ``--config-dir`` is no folder of configs alone.
    """
    root, user = checkout.root(), os.environ.get(checkout.USER_FOLDER)
    others = {Path(path).expanduser().resolve() for path in paths}
    files = snapshot.files_of(root, Path(user) if user else None, others)
    note = {"commit": commit(), "checkout": str(checkout.origin()), "config_dir": _named(user)}
    about = without_home_in(note)
    copied = snapshot.copy(files, about, study)
    try:
        compose_from(copied)
        # Anew also where it was launched before: the same source may be another commit's now.
        write_json(copied / checkout.NOTE, about | {"source": source()})
        yield
    finally:
        checkout.enter(root)
        if snapshot.is_private(copied):
            snapshot.remove(copied)


def _named(user: str | None) -> str:
    """The folder that the user named, also where the command itself runs from a copy."""
    known = checkout.note()
    is_copied = user == str(checkout.root() / checkout.COPIED_USER_FOLDER)
    return str(known["config_dir"]) if known is not None and is_copied else user or ""


def keep_copy() -> Path | None:
    """Keep the copy for the points that are about to be started.

    Returns:
        Its folder if it is a new one.
    """
    if not snapshot.is_private(checkout.root()):
        return None
    kept = snapshot.keep(checkout.root())
    compose_from(kept)
    return kept
