"""A small, real image folder: the digits as colour JPEG files of many sizes and shapes.

``python tests/image_folder.py FOLDER [IMAGES]`` writes one to try ``data=folder`` with:
``python run.py data=folder data.root=FOLDER data.image_size=32 data.flip=false
recipe.scale_min=40 recipe.scale_max=40 norm=batch``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from vgglab.data.sources.digits import originals

SHORTEST, LONGEST = 36, 96
"""px of a side of an image."""


def write_image_folder(root: Path, images: int, *, classes: int = 10, seed: int = 0) -> Path:
    """Write ``root/<class>/<number>.jpg``: digits on canvases of random size and colour.

    Args:
        root: The folder to write.
        images: Number of files, divided equally among the classes.
        classes: Number of classes.
        seed: Of the choice of digits, and of their sizes, places and colours.

    Returns:
        ``root``.
    """
    digits_nhw, labels_n = originals(classes)
    generator = np.random.default_rng(seed)
    for number in range(images):
        label = number % classes
        digit_hw = digits_nhw[generator.choice(np.flatnonzero(labels_n == label))]
        folder = root / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        _canvas(digit_hw, generator).save(folder / f"{number:05d}.jpg", quality=90)
    return root


def _canvas(
    digit_hw: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], generator: np.random.Generator
) -> Image.Image:
    width, height = generator.integers(SHORTEST, LONGEST + 1, size=2).tolist()
    side = int(min(width, height) * generator.uniform(0.65, 0.9))
    left, top = (int(generator.integers(0, room - side + 1)) for room in (width, height))
    dark, bright = generator.integers(0, 80, size=3), generator.integers(160, 256, size=3)
    canvas = Image.new("RGB", (width, height), tuple(dark.tolist()))
    ink = Image.fromarray(digit_hw).resize((side, side), Image.Resampling.BILINEAR)
    canvas.paste(tuple(bright.tolist()), (left, top, left + side, top + side), ink)
    return canvas


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2_000
    print(f"{count} images in {write_image_folder(Path(sys.argv[1]), count)}")
