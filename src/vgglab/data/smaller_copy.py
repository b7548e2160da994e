"""Copies of image folders with smaller images, and the mark that tells them from the original."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import PIL
from PIL import Image
from torch import Tensor

from vgglab.data.cache import replacing
from vgglab.data.copy_mark import MARK
from vgglab.data.decode import decoded, opened
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.resize import rescaled

JPEG_SUFFIXES = (".jpg", ".jpeg")


@dataclass(frozen=True)
class Copy:
    """Where a copy is written and how."""

    root: Path
    shorter_side: int
    """px, at most: no image is enlarged."""
    quality: int
    """Of JPEG, 50 to 100."""

    def path(self, files: FileSet, index: int) -> Path:
        """Of the copy of an image: the same name, which ends as JPEG files do."""
        name = Path(os.fsdecode(files.names_n[index]))
        if name.suffix.lower() in JPEG_SUFFIXES:
            return self.root / name
        return self.root / name.with_name(f"{name.name}.jpg")

    def begin(self, fingerprint: str) -> None:
        """Mark the folder as an unfinished copy of these files.

        Raises:
            DataError: there is something else in it.
        """
        made_by = {
            "source": fingerprint,
            "shorter_side": self.shorter_side,
            "quality": self.quality,
        }
        mark = self.root / MARK
        if mark.exists():
            before = json.loads(mark.read_text(encoding="utf-8"))
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
        self._write_mark(made_by | {"complete": False})

    def _write_mark(self, values: dict[str, object]) -> None:
        with replacing(self.root / MARK) as temporary:
            temporary.write_text(json.dumps(values) + "\n", encoding="utf-8")

    def end(self) -> None:
        """Every readable image is there."""
        values = json.loads((self.root / MARK).read_text(encoding="utf-8"))
        self._write_mark(values | {"complete": True})

    def write(self, files: FileSet, index: int) -> None:
        """Make one image's copy, unless it is there.

        Raises:
            UnreadableImage: it cannot be decoded.
        """
        source, target = files.path(index), self.path(files, index)
        if target.exists():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened(source) as header:
            as_it_is = (
                header.format == "JPEG"
                and header.mode in ("RGB", "L")
                and min(header.size) <= self.shorter_side
                and target.name == source.name
            )
        image_chw = decoded(source)  # also where its bytes are copied: a broken file is not
        with replacing(target) as temporary:
            if as_it_is:
                shutil.copyfile(source, temporary)
            else:
                self._smaller(image_chw).save(temporary, format="JPEG", quality=self.quality)

    def _smaller(self, image_chw: Tensor) -> Image.Image:
        side = min(self.shorter_side, *image_chw.shape[-2:])
        return Image.fromarray(rescaled(image_chw, side).permute(1, 2, 0).numpy())
