"""Decodes image files to RGB; the error for one that cannot be decoded is one line."""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import numpy as np
from PIL import Image, UnidentifiedImageError

from vgglab.config.data import Decoder
from vgglab.data.errors import DataError
from vgglab.data.greys import (
    GreyRange,
    UnclearRange,
    check_upper_bits,
    eight_bits,
    has_16_bits,
    is_deep,
)
from vgglab.data.resize import Pixels

if TYPE_CHECKING:
    from torch import Tensor

try:
    import simplejpeg
except ImportError:  # Pillow reads JPEG too
    simplejpeg = None

MAX_ASPECT = 100
"""Largest ratio of an image's sides: a longer one, rescaled to a shorter side, fills memory."""
_JPEG = b"\xff\xd8\xff"
"""First bytes of a JPEG file."""


class UnreadableImage(DataError):
    """A file that is no image, or one that we cannot make RGB of."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = path, reason

    def __reduce__(self) -> tuple[type[UnreadableImage], tuple[Path, str]]:
        return type(self), (self.path, self.reason)  # it comes out of a worker process


class UnreachableFile(UnreadableImage):
    """A file that cannot be had: gone, forbidden, on a failing disk. That says nothing about what
    is in it, and another machine may well read it: it is never skipped."""


class UnclearGreys(UnreachableFile):
    """A file whose greys want a setting before they can be decoded: never skipped either."""


def decoder_name(decoder: Decoder = "auto") -> str:
    """Package and version that decodes JPEG files.

    Raises:
        DataError: the package is not installed.
    """
    match decoder:
        case "pillow":
            package = "pillow"
        case "auto":
            package = "pillow" if simplejpeg is None else "simplejpeg"
        case "simplejpeg":
            if simplejpeg is None:
                raise DataError(
                    "data.decoder = simplejpeg: is not installed; pip install simplejpeg"
                )
            package = "simplejpeg"
        case _ as unknown:
            assert_never(unknown)
    return f"{package} {version(package)}"


def decode_tensor(
    path: Path, decoder: Decoder = "auto", grey_range: GreyRange | None = None
) -> Tensor:
    """The image (3, H, W), uint8, at its own size.

    Args:
        path: as of ``decode_pixels``, which says what is raised.
        decoder: the same.
        grey_range: the same.
    """
    import torch  # not above: most commands decode no image and must not wait for it

    return torch.from_numpy(decode_pixels(path, decoder, grey_range)).permute(2, 0, 1)


def decode_pixels(
    path: Path, decoder: Decoder = "auto", grey_range: GreyRange | None = None
) -> Pixels:
    """The image (H, W, 3), writable, at its own size.

    JPEG is decoded by simplejpeg where it is installed, everything else by Pillow, and so is a JPEG
    that simplejpeg refuses or does not make RGB of: both use libjpeg-turbo's exact arithmetic and
    give the same bytes.

    Grey, palette, CMYK and 16-bit images become RGB of 8 bits; transparency is dropped; of several
    frames the first is taken. The EXIF orientation is not applied, as torchvision and the
    published nets do not apply it.

    Args:
        path: The file.
        decoder: Of JPEG files.
        grey_range: The values that are black and white in greys of more than 8 bits.

    Raises:
        UnclearGreys: nothing says which they are.
        UnreadableImage: names the file and the reason.
    """
    match decoder:
        case "pillow":
            pixels_hwc = None
        case "auto" | "simplejpeg":
            pixels_hwc = _by_simplejpeg(path)
        case _ as unknown:
            assert_never(unknown)
    if pixels_hwc is not None:
        return pixels_hwc
    with open_image(path) as image:
        return _rgb(image, grey_range)


def _by_simplejpeg(path: Path) -> Pixels | None:
    """The image, or None where Pillow is to decide what the file is, or what is wrong with it."""
    if simplejpeg is None:
        return None
    try:
        with path.open("rb") as file:
            begin = file.read(len(_JPEG))
            if begin != _JPEG:
                return None
            content = begin + file.read()
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        is_large = height * width > (Image.MAX_IMAGE_PIXELS or math.inf)
        if is_large or is_ribbon(width, height) or colours not in ("YCbCr", "Gray"):
            return None
        pixels_hwc: Pixels = simplejpeg.decode_jpeg(content, "RGB")
    except (OSError, ValueError):
        return None
    return pixels_hwc


def is_ribbon(width: int, height: int) -> bool:
    """Whether one side is more than ``MAX_ASPECT`` times as long as the other."""
    return max(width, height) > MAX_ASPECT * min(width, height)


@contextlib.contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file and read its header.

    Raises:
        UnreadableImage: it is no image, or too large, or decoding it in the body fails.
        MemoryError: as it comes: it says nothing about the file.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise UnreadableImage(path, "an empty file")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of odd metadata
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                image = Image.open(file)
            width, height = image.size
            if is_ribbon(width, height):
                raise UnreadableImage(path, f"{width} x {height} px: longer than {MAX_ASPECT}:1")
            yield image
    except (UnreadableImage, MemoryError):
        raise
    except UnclearRange as error:
        raise UnclearGreys(path, str(error)) from error
    except Exception as error:  # a broken file can raise anything in a decoder
        system = isinstance(error, OSError) and error.errno is not None
        kind = UnreachableFile if system else UnreadableImage
        raise kind(path, _reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"too large, {str(error).partition(',')[0]}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _rgb(image: Image.Image, grey_range: GreyRange | None) -> Pixels:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_deep(image):  # Pillow would cut off all above 255
            return np.repeat(eight_bits(image, grey_range)[..., None], 3, axis=2)
        of_16_bits = has_16_bits(image)
        pixels_hwc: Pixels = np.array(image.convert("RGB"))
    if of_16_bits:
        check_upper_bits(pixels_hwc)
    return pixels_hwc
