"""The files of a data set that hold no image: all files are read once, and the result is kept.

This is not left to training: the images of an epoch would depend on when a bad file is met.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vgglab import machine
from vgglab.data.cache import create_once, make_folder, replacing
from vgglab.data.decode import UnreachableFile
from vgglab.data.errors import DataError
from vgglab.data.inspect import inspect_files
from vgglab.data.listing import Listing

Reasons = Mapping[int, str]
"""Index of a file in the listing -> why it holds no image."""


@dataclass(frozen=True)
class Skipped:
    """A file that training and validation leave out and the test counts as an error."""

    split: str
    file: str
    """Path relative to the data set's folder."""
    reason: str


def unreadable_files(listing: Listing, folder: Path) -> dict[int, str]:
    """The files of a listing that hold no image, as the first process to ask found them.

    Kept in ``folder`` under the fingerprint of the listing: a file replaced by another of the same
    size is read again by ``task=prepare`` alone.

    Raises:
        UnreachableFile: a file is out of reach.
        DataError: the record is damaged.
    """
    path = _record_path(listing, folder)
    with create_once(path) as temporary:
        if temporary is not None:
            _write(temporary, listing, _read_all(listing))
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {int(place): str(reason) for place, reason in stored["unreadable"].items()}
    except (ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: damaged; remove it, and the files are read again") from error


def record_unreadable(listing: Listing, folder: Path, reasons: Reasons) -> None:
    """Replace the record of unreadable files.

    Args:
        listing: All files of the data set.
        folder: ``paths.data``, where the record is kept.
        reasons: The unreadable ones.
    """
    path = _record_path(listing, folder)
    make_folder(path.parent)
    with replacing(path) as temporary:
        _write(temporary, listing, reasons)


def skipped_fingerprint(listing: Listing, reasons: Reasons) -> str:
    """Suffix of the fingerprint of data without these files; empty where there are none."""
    if not reasons:
        return ""
    digest = hashlib.sha256(b"\0".join(listing.names_n[place] for place in sorted(reasons)))
    return f";skipped:{len(reasons)}:sha256:{digest.hexdigest()}"


def _record_path(listing: Listing, folder: Path) -> Path:
    key = hashlib.sha256(f"{listing.fingerprint()}{listing.decoding}".encode()).hexdigest()[:16]
    return folder / "unreadable" / f"{key}.json"


def _read_all(listing: Listing) -> dict[int, str]:
    # Torch, which commands that need no image do without.
    count = len(listing.names_n)
    print(
        f"data.on_error=skip: reading all {count:,} files of {listing.root} once, to know which "
        "hold no image",
        file=sys.stderr,
        flush=True,
    )
    files = listing.file_set(np.arange(count))
    found: dict[int, str] = {}
    for report in inspect_files(files, machine.cores()):
        if report.is_unreachable:
            raise UnreachableFile(files.path(report.index), report.fault)
        if report.fault:
            found[report.index] = report.fault
    return found


def _write(path: Path, listing: Listing, reasons: Reasons) -> None:
    content = {
        "root": str(listing.root),
        "fingerprint": listing.fingerprint(),
        "files": listing.file_names(sorted(reasons)),
        "unreadable": {str(place): reasons[place] for place in sorted(reasons)},
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def skipped_among(
    listing: Listing, members: Mapping[str, Sequence[int]], reasons: Reasons
) -> tuple[Skipped, ...]:
    """The unreadable files of each split, in the order of its members.

    Args:
        listing: All files of the data set.
        members: Places in the listing of the files of each split.
        reasons: The unreadable files.
    """
    return tuple(
        Skipped(split, listing.file_names([place])[0], reasons[place])
        for split, places in members.items()
        for place in places
        if place in reasons
    )
