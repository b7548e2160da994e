"""Checks that this machine decodes image files to the same pixels as the one a run began on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from vgglab.config.data import Decoder
from vgglab.data.decode import decode_pixels, decoder_name
from vgglab.data.errors import DataError
from vgglab.data.resize import Pixels, Window, resized_crop

_PICTURE = Path(__file__).with_name("reference.jpg")
"""Edges, ramps and noise; its colours are stored at half the resolution, as photographs' are."""
_WINDOWS = (Window(48, 3, 5, 40), Window(96, 31, 17, 40, flip=True))
"""Crops of the picture, made smaller and larger."""


def decoder_signature(decoder: Decoder) -> dict[str, str]:
    """``decoder``, by name, and ``pixels``, a digest of a picture that it decodes and we resize.

    Raises:
        DataError: the decoder is not installed.
    """
    pixels_hwc: Pixels = decode_pixels(_PICTURE, decoder)
    digest = hashlib.sha256(pixels_hwc.tobytes())
    for window in _WINDOWS:
        digest.update(resized_crop(window, pixels_hwc).tobytes())
    return {"decoder": decoder_name(decoder), "pixels": digest.hexdigest()[:16]}


def check_decoder(before: dict[str, str], decoder: Decoder) -> None:
    """Compare this machine's decoder with the one that a run began with.

    Raises:
        DataError: the pixels differ.
    """
    here = decoder_signature(decoder)
    if here["pixels"] != before["pixels"]:
        raise DataError(
            f"data.decoder = {decoder}: {here['decoder']} on this machine makes other pixels of an "
            f"image file than {before['decoder']} did when the run began; install that, or go on "
            "where it began"
        )
