"""Copies of image folders with smaller images, and the record that tells them from the original."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PIL
from PIL import Image

from vgglab.config.data import Decoder
from vgglab.data.cache import replacing
from vgglab.data.decode import UnreadableImage, decode_pixels, open_image
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.resize import rescaled

if TYPE_CHECKING:
    from torch import Tensor

COPY_RECORD = "prepared.json"
"""File in a copy that says what it was made from and how, and whether it is complete."""
JPEG_SUFFIXES = (".jpg", ".jpeg")


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

    def begin(self, fingerprint: str) -> None:
        """Write the record of an unfinished copy, or check that of an earlier attempt.

        Raises:
            DataError: the folder holds something else.
        """
        made_by = {
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
