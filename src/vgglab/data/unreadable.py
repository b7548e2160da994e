"""Which files of a data set hold no image: all of them are read once, and what was found is kept.

Not found out while training: then what an epoch consists of would depend on when a file is met.
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
from vgglab.data.cache import made_once, replacing
from vgglab.data.errors import DataError
from vgglab.data.listing import Listing

Reasons = Mapping[int, str]
"""Place of a file in the listing -> why it holds no image."""


@dataclass(frozen=True)
class Skipped:
    """A file that is left out, or of the test split counted as an error."""

    split: str
    file: str
    """Relative to the data set's folder."""
    reason: str


def unreadable_files(listing: Listing, folder: Path) -> dict[int, str]:
    """The files of a listing that hold no image, as found by whoever looked first.

    Kept in ``folder`` under the fingerprint of the listing: a file replaced by another of the same
    size is looked at again by ``task=prepare``.

    Raises:
        UnreachableFile: a file cannot be had at all.
        DataError: what was kept is damaged.
    """
    path = _record(listing, folder)
    with made_once(path) as temporary:
        if temporary is not None:
            _write(temporary, listing, _look(listing))
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return {int(place): str(reason) for place, reason in stored["unreadable"].items()}
    except (ValueError, KeyError, AttributeError) as error:
        raise DataError(f"{path}: damaged; remove it, and the files are read again") from error


def keep(listing: Listing, folder: Path, reasons: Reasons) -> None:
    """Put what was found just now in place of what was known."""
    path = _record(listing, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        _write(temporary, listing, reasons)


def fingerprint_of(listing: Listing, reasons: Reasons) -> str:
    """What skipping these files makes of the data: nothing where there is none."""
    if not reasons:
        return ""
    digest = hashlib.sha256(b"\0".join(listing.names_n[place] for place in sorted(reasons)))
    return f";skipped:{len(reasons)}:sha256:{digest.hexdigest()}"


def _record(listing: Listing, folder: Path) -> Path:
    key = hashlib.sha256(listing.fingerprint().encode()).hexdigest()[:16]
    return folder / "unreadable" / f"{key}.json"


def _look(listing: Listing) -> dict[int, str]:
    # Torch, which commands that need no image do without.
    from vgglab.data.decode import UnreachableFile
    from vgglab.data.inspect import looks

    count = len(listing.names_n)
    print(
        f"data.on_error=skip: reading all {count:,} files of {listing.root} once, to know which "
        "hold no image",
        file=sys.stderr,
        flush=True,
    )
    files = listing.file_set(np.arange(count))
    found: dict[int, str] = {}
    for look in looks(files, machine.cores()):
        if look.is_gone:
            raise UnreachableFile(files.path(look.index), look.fault)
        if look.fault:
            found[look.index] = look.fault
    return found


def _write(path: Path, listing: Listing, reasons: Reasons) -> None:
    told = {
        "root": str(listing.root),
        "fingerprint": listing.fingerprint(),
        "files": listing.file_names(sorted(reasons)),
        "unreadable": {str(place): reasons[place] for place in sorted(reasons)},
    }
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def skipped_in(
    listing: Listing, members: Mapping[str, Sequence[int]], reasons: Reasons
) -> tuple[Skipped, ...]:
    """The unreadable files among the members of each split, in their order."""
    return tuple(
        Skipped(split, listing.file_names([place])[0], reasons[place])
        for split, places in members.items()
        for place in places
        if place in reasons
    )
