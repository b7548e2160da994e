"""How greys of more than 8 bits become 8: by one rule for all files, never by each one's range.

A factor of its own for each image would change how bright images are beside one another, which a
net may learn from. What the files do not say is therefore asked: ``data.grey_range``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GreyRange = tuple[float, float]
"""The values that are black and white."""
LEAST_LEVELS = 16
"""Of 256: an image with fewer would be all but black."""
DECLARED = ("PPM", "JPEG2000")
"""Formats that say which value is white; Pillow scales their whole numbers to 16 bits."""
PHOTOMETRIC_INTERPRETATION, WHITE_IS_ZERO = 262, 0
"""Tag of a TIFF, and its value where 0 is white. Pillow turns 8 bits over, and deeper greys not: to
do it here would give runs that were trained on them other pixels under the same id."""


class UnclearRange(ValueError):
    """Nothing says which values of an image are black and white."""


def is_deep(image: Image.Image) -> bool:
    """Whether an image is grey and has more than 8 bits."""
    return image.mode == "F" or image.mode.startswith("I")


def eight_bits(image: Image.Image, grey_range: GreyRange | None) -> NDArray[np.uint8]:
    """A deep grey image (H, W) in 8 bits.

    Args:
        image: of mode F, I or I;16.
        grey_range: black and white; None: whole numbers are of 16 bits, if they can be.

    Raises:
        UnclearRange: without a range, its values do not look like 16 bits; or 0 is its white.
        ValueError: a value is not finite.
    """
    if getattr(image, "tag_v2", {}).get(PHOTOMETRIC_INTERPRETATION) == WHITE_IS_ZERO:
        raise UnclearRange(
            "a TIFF of more than 8 bits whose 0 is white (WhiteIsZero), which Pillow reads as its "
            "negative; convert it so that 0 is black"
        )
    values_hw = np.asarray(image)
    if not np.isfinite(values_hw).all():
        raise ValueError("pixels that are not finite")
    if grey_range is not None:
        black, white = grey_range
        share_hw = (values_hw.astype(np.float64) - black) / (white - black)
        grey_hw: NDArray[np.uint8] = np.rint(255 * share_hw.clip(0, 1)).astype(np.uint8)
        return grey_hw
    low, high = values_hw.min().item(), values_hw.max().item()
    of_16_bits = low >= 0 and (high == 0 or LEAST_LEVELS << 8 <= high < 1 << 16)
    if image.mode == "F" or not (of_16_bits or image.format in DECLARED):
        kind = "floating-point pixels" if image.mode == "F" else "deep greys"
        raise UnclearRange(
            f"{kind} from {low:g} to {high:g}, and nothing says which values are black and white; "
            "say it for all files, as data.grey_range=[0,4095] for 12 bits, [0,65535] for 16"
        )
    return (values_hw.astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)


def has_16_bits(image: Image.Image) -> bool:
    """Whether a file that is not loaded yet has 16 bits a channel, of which Pillow takes 8."""
    modes = (str(tile[3]) for tile in getattr(image, "tile", ()))
    return not is_deep(image) and any(";16" in mode for mode in modes)


def check_upper_bits(pixels_hwc: NDArray[np.uint8]) -> None:
    """See that the upper 8 bits of 16 a channel hold the image.

    Raises:
        UnclearRange: next to nothing is in them.
    """
    if pixels_hwc.max() < LEAST_LEVELS:
        raise UnclearRange(
            "16 bits a channel, with next to nothing in the upper 8, which are all that Pillow "
            "reads of colours; convert it to 8 bits"
        )
