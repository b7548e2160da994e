"""Copies of image folders with smaller images, and the record that tells them from the original."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL
from PIL import Image

from vgglab.config.data import Decoder
from vgglab.data.cache import replacing
from vgglab.data.decode import UnreadableImage, decode_pixels, open_image
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.image_files import image_endings
from vgglab.data.resize import rescaled

if TYPE_CHECKING:
    from torch import Tensor

COPY_RECORD = "prepared.json"
"""File in a copy that says what it was made from and how, and whether it is complete."""
JPEG_SUFFIXES = (".jpg", ".jpeg")
KEPT = "kept_names"
"""Key of the record of a copy whose files are to be taken in the order of the originals' names,
which that of their own is not: the names that were the originals' already, among those that seem
to have got a second ending."""


@dataclass(frozen=True)
class SmallerCopy:
    """A copy of an image folder: where it is written, and how."""

    root: Path
    shorter_side: int
    """Largest shorter side, px; no image is enlarged."""
    quality: int
    """JPEG quality, 50 to 100."""

    def path(self, files: FileSet, index: int) -> Path:
        """Path of the copy of an image: the same name, with the suffix of a JPEG file."""
        return self.root / os.fsdecode(_name_of_copy(files.names_n[index]))

    def check_names(self, files: FileSet) -> None:
        """See that each file can have a copy of its own, before any is written.

        Raises:
            DataError: the copies of two files would be one, or a name would be too long.
        """
        standing = next(path for path in (self.root, *self.root.parents) if path.exists())
        longest = os.pathconf(standing, "PC_NAME_MAX")
        taken: dict[bytes, bytes] = {}
        for name in files.names_n.tolist():
            copy = _name_of_copy(name)
            if (other := taken.setdefault(copy, name)) is not name:
                raise DataError(
                    f"prepare.copy = {self.root}: {_shown(other)} and {_shown(name)} would both be "
                    f"{_shown(copy)} in it; rename one of them"
                )
            if len(copy.rpartition(b"/")[2]) > longest:
                raise DataError(
                    f"prepare.copy = {self.root}: {_shown(name)} would be {_shown(copy)} in it, a "
                    f"longer name than {longest} bytes; rename the file"
                )

    def begin(self, fingerprint: str, files: FileSet) -> None:
        """Write the record of an unfinished copy, or check that of an earlier attempt.

        Args:
            fingerprint: of the original.
            files: all of them, in its order.

        Raises:
            DataError: the folder holds something else.
        """
        made_by: dict[str, Any] = {
            "source": fingerprint,
            "shorter_side": self.shorter_side,
            "quality": self.quality,
        }
        record = self.root / COPY_RECORD
        if record.exists():
            before = _read_record(record)
            differs = [name for name, value in made_by.items() if before.get(name) != value]
            if differs:
                raise DataError(
                    f"prepare.copy = {self.root}: holds a copy with another {', '.join(differs)}; "
                    "name another folder"
                )
            made_by = before
        elif self.root.exists() and any(self.root.iterdir()):
            raise DataError(f"prepare.copy = {self.root}: is not empty and no copy of ours")
        else:
            made_by["encoder"] = f"Pillow {PIL.__version__}"
            # Only then: the record is a part of the identity of runs on a copy of ImageNet.
            if _changes_order(names := files.names_n.tolist()):
                seems_renamed = _second_endings()
                made_by[KEPT] = [os.fsdecode(name) for name in names if seems_renamed(name)]
        self.root.mkdir(parents=True, exist_ok=True)
        for remains in self.root.rglob(".*.new"):  # of an earlier attempt that was killed
            remains.unlink()
        self._write_record(made_by | {"complete": False})

    def _write_record(self, values: dict[str, object]) -> None:
        with replacing(self.root / COPY_RECORD) as temporary:
            temporary.write_text(json.dumps(values) + "\n", encoding="utf-8")

    def end(self) -> None:
        """Write into the record that every file is there."""
        values = json.loads((self.root / COPY_RECORD).read_text(encoding="utf-8"))
        self._write_record(values | {"complete": True})

    def write(self, files: FileSet, index: int) -> Tensor | None:
        """Write the copy of one image, unless it is there and holds an image.

        Returns:
            The image (3, H, W), at its own size; None where its copy was there.

        Raises:
            UnreadableImage: it cannot be decoded.
        """
        source, target = files.path(index), self.path(files, index)
        if target.exists() and _holds_image(target, files.decoder):
            return None
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_image(source) as header:
            is_small_jpeg = (
                header.format == "JPEG"
                and header.mode in ("RGB", "L")
                and min(header.size) <= self.shorter_side
                and target.name == source.name
            )
        # Also where the bytes are copied: a broken file is no image of this size.
        image_chw = files.image_chw(index)
        with replacing(target) as temporary:
            if is_small_jpeg:
                shutil.copyfile(source, temporary)
            else:
                self._smaller(image_chw).save(temporary, format="JPEG", quality=self.quality)
        return image_chw

    def keep(self, files: FileSet, index: int) -> None:
        """Write a file that holds no image into the copy as it is: there, too, it stops a run or is
        skipped, and counts as an error in the test."""
        target = self.path(files, index)
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            shutil.copyfile(files.path(index), temporary)

    def _smaller(self, image_chw: Tensor) -> Image.Image:
        side = min(self.shorter_side, *image_chw.shape[-2:])
        return Image.fromarray(rescaled(image_chw, side).permute(1, 2, 0).numpy())


def _name_of_copy(name: bytes) -> bytes:
    is_jpeg = Path(os.fsdecode(name)).suffix.lower() in JPEG_SUFFIXES
    return name if is_jpeg else name + b".jpg"


def _second_endings() -> Callable[[bytes], bool]:
    """Finds whether a name is one that an image of another format would have in a copy."""
    endings = image_endings()

    def seems_renamed(name: bytes) -> bool:
        before = name.removesuffix(b".jpg")
        ending = Path(os.fsdecode(before)).suffix.lower()
        return _name_of_copy(before) == name and ending in endings

    return seems_renamed


def _changes_order(names: Sequence[bytes]) -> bool:
    """Whether the copies of files in the order of their names have names in another order."""
    copies = map(_name_of_copy, names)
    # Where two classes meet, their folders decide, whose names stay.
    return any(
        one < other and copy > next_copy
        for (one, other), (copy, next_copy) in zip(pairwise(names), pairwise(copies), strict=True)
    )


def order_in(root: Path) -> Callable[[bytes], bytes]:
    """From the name of a file in a folder, relative to it, to what it is sorted by: in a copy, the
    name of the original where that makes a difference, so that both have the same splits.

    Args:
        root: a folder, or a copy that is complete.
    """
    record = root / COPY_RECORD
    kept = _read_record(record).get(KEPT) if record.exists() else None
    if kept is None:  # no copy, or one whose names are in order, or of before 29 November 2026
        return lambda name: name
    names, seems_renamed = frozenset(map(os.fsencode, kept)), _second_endings()
    return lambda name: (
        name.removesuffix(b".jpg") if name not in names and seems_renamed(name) else name
    )


def _shown(name: bytes) -> str:
    return os.fsdecode(name).encode(errors="replace").decode()


def _holds_image(path: Path, decoder: Decoder) -> bool:
    """Not where a copy is of a file that held none, which may have been mended since."""
    try:
        decode_pixels(path, decoder)
    except UnreadableImage:
        return False
    return True


def _read_record(record: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(record.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise TypeError("not a JSON object")
    except (ValueError, TypeError) as error:
        raise DataError(f"{record}: damaged ({error}); remove it and make the copy anew") from error
    return found


def check_copy_complete(root: Path) -> None:
    """Refuse a copy that is not finished.

    Raises:
        DataError: the folder is a copy that was not finished.
    """
    record = root / COPY_RECORD
    if record.exists() and not _read_record(record).get("complete"):
        raise DataError(
            f"{root}: a copy that is not complete; run the task=prepare that made it again"
        )
