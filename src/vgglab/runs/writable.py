"""Whether files can be made in a folder, and why not."""

from __future__ import annotations

import errno
import tempfile
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Of a disk without room; that is no mistake in a name, and a run says it where it happens."""


def why_unwritable(folder: Path) -> str | None:
    """Why no file can be made in a folder, which need not be there yet, in half a sentence; None
    where one can.

    A folder is made and removed again, in it or where it would be made: permissions alone do not
    tell (root has them all, and yet makes nothing in ``/proc``).
    """
    at = folder.absolute()
    try:
        at = next(path for path in (at, *at.parents) if path.exists() or path.is_symlink())
        Path(tempfile.mkdtemp(prefix=".vgglab-", dir=at)).rmdir()
    except OSError as error:
        if error.errno in FULL:
            return None
        return (
            f"nothing can be made in {at} ({error.strerror or error}); "
            "name a folder that can be written"
        )
    return None
