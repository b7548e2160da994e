"""Reads W&B's offline file: a LevelDB log of protobuf records behind a 7-byte header.

W&B ships no reader in Python. The format: blocks of 32 KiB; in them chunks of crc32 (4 bytes),
length (2), kind (1: whole, 2: first, 3: middle, 4: last) and data.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2

BLOCK, FILE_HEADER, CHUNK_HEADER = 32_768, 7, 7
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def records(path: Path) -> Iterator[Any]:
    """Every record of an offline file, in order."""
    data = path.read_bytes()
    assert data[:4] == b":W&B", "not a W&B offline file"
    position, pending = FILE_HEADER, b""
    while position + CHUNK_HEADER <= len(data):
        left = BLOCK - position % BLOCK
        if left < CHUNK_HEADER:  # too short for a header: padding
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        assert kind in (WHOLE, FIRST, MIDDLE, LAST), f"broken chunk at {position}"
        position += CHUNK_HEADER
        pending += data[position : position + length]
        position += length
        if kind in (WHOLE, LAST):
            # Protobuf makes the class when the module is imported.
            record = wandb_internal_pb2.Record()  # type: ignore[attr-defined]
            record.ParseFromString(pending)
            yield record
            pending = b""


def of_kind(path: Path, kind: str) -> list[Any]:
    """The payloads of the records of one kind, such as ``run``, ``history``, ``exit``."""
    return [getattr(r, kind) for r in records(path) if r.WhichOneof("record_type") == kind]


def history(path: Path) -> list[dict[str, Any]]:
    """Every logged row, without W&B's own columns."""
    rows = [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in row.item}
        for row in of_kind(path, "history")
    ]
    return [{key: value for key, value in row.items() if key[0] != "_"} for row in rows]
