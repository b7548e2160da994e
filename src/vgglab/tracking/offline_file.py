"""Reads W&B's own file of a run: a LevelDB log of protobuf records behind a 7-byte header.

W&B ships no reader in Python. The format: blocks of 32 KiB; in them chunks of crc32 (4 bytes),
length (2), kind (1: whole, 2: first, 3: middle, 4: last) and data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vgglab.tracking.wandb_internals import empty_record

BLOCK, FILE_HEADER, CHUNK_HEADER = 32_768, 7, 7
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path: Path) -> Iterator[Any]:
    """Yield the records in order, up to where the file was cut short."""
    data = path.read_bytes()
    position, pending = FILE_HEADER, b""
    while position + CHUNK_HEADER <= len(data):
        left = BLOCK - position % BLOCK
        if left < CHUNK_HEADER:  # too short for a header: padding
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        position += CHUNK_HEADER
        if kind not in (WHOLE, FIRST, MIDDLE, LAST) or position + length > len(data):
            return
        pending += data[position : position + length]
        position += length
        if kind in (WHOLE, LAST):
            record = empty_record()
            record.ParseFromString(pending)
            yield record
            pending = b""


def rows(attempt: Path) -> int:
    """Count the logged rows in the file of an attempt's folder."""
    return sum(
        record.WhichOneof("record_type") == "history"
        for path in attempt.glob("*.wandb")
        for record in records(path)
    )
