"""Files under ``paths.data`` that one process makes once; a reader never sees a part of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from vgglab.data.errors import DataError
from vgglab.runs.writable import why_unwritable

MOST_OF_NAME = 40
"""Letters, each of up to 4 bytes, of a file's name in that of its temporary one."""


@contextlib.contextmanager
def create_once(path: Path) -> Iterator[Path | None]:
    """Yield a temporary file that becomes ``path``, or None where that exists; other processes that
    ask for it wait.

    Raises:
        DataError: it is not there, and cannot be made there.
    """
    if path.exists():
        yield None
        return
    make_folder(path.parent)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists():
            yield None
            return
        with replacing(path) as temporary:
            yield temporary


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` that takes its place unless there is an error."""
    # Not the whole name: with what is added, a long one could be too long.
    prefix = f".{path.name[:MOST_OF_NAME]}."
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".new")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files for their owner alone
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder under ``paths.data`` for what is kept there, unless it is there.

    Raises:
        DataError: nothing can be made there.
    """
    if (why := why_unwritable(folder)) is not None:
        raise DataError(f"paths.data: {why}")
    folder.mkdir(parents=True, exist_ok=True)
