"""Files under ``paths.data`` that are made once, by one process, and are whole or not there."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock


@contextlib.contextmanager
def made_once(path: Path) -> Iterator[Path | None]:
    """A temporary file to write ``path`` to, or nothing where it is there already; other processes
    that want it wait."""
    if path.exists():
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        if path.exists():
            yield None
            return
        with replacing(path) as temporary:
            yield temporary


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place at the end, if there is no error."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes files for their owner alone
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
