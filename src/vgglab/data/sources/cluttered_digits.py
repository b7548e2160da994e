"""Cluttered digits: size, place and distracting fragments vary, so that depth matters.

After the cluttered translated MNIST of Mnih et al. 2014 (Recurrent Models of Visual Attention,
section 4.2), with a digit of random size as well.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vgglab.config import ClutteredDigitsConfig
from vgglab.data.sources.digits import ADDRESS, SIDE, digest_of_originals, drawn, originals
from vgglab.data.sources.source import MemorySource, cached_splits
from vgglab.data.splits import SPLITS, Images, ImageSet, Labels, Splits

GENERATOR_VERSION = 1
"""Raised when the same config comes to give other images."""


def _resized(image_hw: Images, side: int) -> Images:
    """Bilinear, in Pillow's fixed-point arithmetic: the same bytes on every machine."""
    resized = Image.fromarray(image_hw).resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)


def _paste(canvas_hw: Images, patch_hw: Images, top: int, left: int) -> None:
    """Lay a patch over the canvas; the brighter of the two shows."""
    height, width = patch_hw.shape
    window = canvas_hw[top : top + height, left : left + width]
    np.maximum(window, patch_hw, out=window)


def _canvas(
    digit_hw: Images, others_nhw: Images, config: ClutteredDigitsConfig, rng: np.random.Generator
) -> Images:
    """One canvas (S, S): the digit, then pieces cut from other digits."""
    size, piece = config.image_size, config.fragment_size
    canvas_hw = np.zeros((size, size), dtype=np.uint8)
    side = int(rng.integers(config.digit_min, config.digit_max + 1))
    top, left = rng.integers(0, size - side + 1, size=2)
    _paste(canvas_hw, _resized(digit_hw, side), int(top), int(left))
    sources = rng.integers(0, len(others_nhw), size=config.fragments)
    corners = rng.integers(0, SIDE - piece + 1, size=(config.fragments, 2))
    places = rng.integers(0, size - piece + 1, size=(config.fragments, 2))
    for source, (y, x), (top, left) in zip(sources, corners, places, strict=True):
        _paste(canvas_hw, others_nhw[source, y : y + piece, x : x + piece], int(top), int(left))
    return canvas_hw


def _compose(
    images_nhw: Images,
    labels_n: Labels,
    members_m: NDArray[np.int64],
    count: int,
    config: ClutteredDigitsConfig,
    seed: int,
) -> ImageSet:
    """``count`` canvases from the originals of one split, which are used equally often."""
    rng = np.random.Generator(np.random.PCG64([config.split_seed, seed]))
    rounds = -(-count // len(members_m))
    chosen = np.concatenate([rng.permutation(members_m) for _ in range(rounds)])[:count]
    pool_nhw = images_nhw[members_m]
    canvases = [_canvas(images_nhw[index], pool_nhw, config, rng) for index in chosen]
    return ImageSet(np.stack(canvases)[:, None], labels_n[chosen], chosen)


def _make(config: ClutteredDigitsConfig) -> Splits[ImageSet]:
    """Canvases whose digit and fragments both come from the originals of their own split."""
    images_nhw, labels_n = originals(config.classes)
    members = drawn(config, labels_n)
    counts = {
        "train": config.train_images,
        "validation": config.validation_images,
        "test": config.test_images,
    }
    return Splits(
        **{
            name: _compose(images_nhw, labels_n, members[name], counts[name], config, seed)
            for seed, name in enumerate(SPLITS)
        }
    )


def _content(_: ClutteredDigitsConfig) -> str:
    return f"{digest_of_originals()};generator:{GENERATOR_VERSION}"


def _read(config: ClutteredDigitsConfig, folder: Path) -> Splits[ImageSet]:
    return cached_splits(config, folder, _content(config), lambda: _make(config))


CLUTTERED_DIGITS: MemorySource[ClutteredDigitsConfig] = MemorySource(
    channels=1, content=_content, address=lambda _: ADDRESS, read=_read
)
