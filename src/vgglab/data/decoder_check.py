"""Whether this machine makes the same pixels of an image file as another one did."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vgglab.config.data import Decoder
from vgglab.data.decode import decoder_name, pixels_of
from vgglab.data.errors import DataError
from vgglab.data.resize import Pixels, Window, seen_through

_PICTURE = Path(__file__).with_name("reference.jpg")
"""Edges, ramps and noise; its colours are stored at half the resolution, as photographs' are."""
_WINDOWS = (Window(48, 3, 5, 40), Window(96, 31, 17, 40, flip=True))
"""Of the picture made smaller and larger."""


def likeness(decoder: Decoder) -> dict[str, str]:
    """``decoder`` by name and ``pixels``, a digest of what it and the resizing make of a picture.

    Raises:
        DataError: the decoder is asked for and not installed.
    """
    pixels_hwc: Pixels = pixels_of(_PICTURE, decoder)
    digest = hashlib.sha256(pixels_hwc.tobytes())
    for window in _WINDOWS:
        digest.update(seen_through(window, pixels_hwc).tobytes())
    return {"decoder": decoder_name(decoder), "pixels": digest.hexdigest()[:16]}


def check_likeness(before: dict[str, str], decoder: Decoder) -> None:
    """
    Raises:
        DataError: images come out otherwise than they did when the run began.
    """
    here = likeness(decoder)
    if here["pixels"] != before["pixels"]:
        raise DataError(
            f"data.decoder = {decoder}: {here['decoder']} on this machine makes other pixels of an "
            f"image file than {before['decoder']} did when the run began; install that, or go on "
            "where it began"
        )
