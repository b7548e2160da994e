"""The comment at the end of a checkpoint's archive: which run it is of, and a digest of its bytes.

torch writes a zip archive with a CRC-32 of each member. Nothing guards the archive's directory, in
which a flipped bit can turn a tensor into zeros, and nothing says whose the weights are. The stamp
is in the same file, so that one rename replaces both; torch and ``unzip`` read the file as before.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

_LAST_RECORD = b"PK\5\6"
"""Begins the last record of a zip archive; its last two bytes are the length of the comment."""
_LAST_RECORD_BYTES = 22
_LENGTH_BYTES = 2
_TAIL_BYTES = 4096
"""End of the file in which the last record and the comment are looked for."""


@dataclass(frozen=True)
class Stamp:
    """The run that a checkpoint is of, and the SHA-256 of the unstamped archive and that name."""

    run: str
    sha256: str


class BadArchive(Exception):
    """The bytes are not those that were written."""


def write_stamp(file: IO[bytes], run: str) -> None:
    """Stamp an archive that was written to a file, which is open for reading too."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    digest = _digest(file, size - _LENGTH_BYTES)
    digest.update(run.encode())
    comment = json.dumps(asdict(Stamp(run, digest.hexdigest()))).encode()
    file.seek(-_LENGTH_BYTES, os.SEEK_END)
    file.write(len(comment).to_bytes(_LENGTH_BYTES, "little") + comment)


def checked_stamp(path: Path) -> Stamp | None:
    """The stamp of an archive whose bytes are as its digest says.

    Returns:
        None where there is no stamp: versions of before 27 November 2026 wrote none.

    Raises:
        BadArchive: the bytes are others, or the file does not end as an archive does.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        comment = _comment(file.read())
        if not comment:
            return None
        try:
            stored: dict[str, Any] = json.loads(comment)
            stamp = Stamp(run=stored["run"], sha256=stored["sha256"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadArchive(f"its stamp is garbled: {error}") from error
        file.seek(0)
        digest = _digest(file, size - len(comment) - _LENGTH_BYTES)
    digest.update(stamp.run.encode())
    if digest.hexdigest() != stamp.sha256:
        raise BadArchive("wrong checksum")
    return stamp


def _comment(tail: bytes) -> bytes:
    """The comment of an archive that ends so."""
    begin = tail.rfind(_LAST_RECORD)
    end = begin + _LAST_RECORD_BYTES
    length, comment = tail[end - _LENGTH_BYTES : end], tail[end:]
    if begin < 0 or int.from_bytes(length, "little") != len(comment):
        raise BadArchive("no whole archive: its end is cut off or garbled")
    return comment


def _digest(file: IO[bytes], left: int) -> hashlib._Hash:
    """SHA-256 of the next bytes of a file and of an empty comment's length."""
    digest = hashlib.sha256()
    while left and (part := file.read(min(left, 1 << 20))):
        digest.update(part)
        left -= len(part)
    digest.update(bytes(_LENGTH_BYTES))
    return digest
