"""A run goes on only where files give the pixels that it began with."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from image_folder import write_image_folder

from vgglab.config.parse import parse
from vgglab.data import decoder_check as room
from vgglab.data.decoder_check import check_decoder, decoder_signature
from vgglab.data.errors import DataError
from vgglab.data.module import ImageData
from vgglab.data.resize import Pixels


def test_both_decoders_are_alike() -> None:
    with_one, with_other = decoder_signature("simplejpeg"), decoder_signature("pillow")
    assert with_one["pixels"] == with_other["pixels"]
    assert with_one["decoder"] != with_other["decoder"]
    check_decoder(with_one, "pillow")


def test_another_picture_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    before = decoder_signature("auto")
    monkeypatch.setattr(room, "decode_pixels", lambda *_: _brighter())
    with pytest.raises(
        DataError, match=r"data.decoder = auto: .* makes other pixels .* simplejpeg"
    ):
        check_decoder(before, "auto")


def _brighter() -> Pixels:
    from vgglab.data.decode import decode_pixels

    pixels_hwc = decode_pixels(room._PICTURE)
    pixels_hwc[50, 50, 1] += 1
    return pixels_hwc


def test_a_checkpoint_says_how_files_were_read(tmp_path: Path) -> None:
    root = write_image_folder(tmp_path / "images", 60)
    config = parse(
        {
            "data": {"name": "folder", "root": str(root), "image_size": 32, "decoder": "pillow"},
            "recipe": {"scale_min": 40, "scale_max": 40},
            "trainer": {"workers": 0},
            "paths": {"data": str(tmp_path)},
        }
    )
    data = ImageData(config, torch.channels_last)
    state = data.state_dict()
    assert state["decoder"].startswith("pillow ")
    data.load_state_dict(state)
    with pytest.raises(DataError, match="other pixels"):
        data.load_state_dict(state | {"pixels": "0" * 16})


def test_images_in_memory_depend_on_no_decoder(datasets: Path) -> None:
    config = parse({"data": {"name": "digits"}, "paths": {"data": str(datasets)}})
    assert ImageData(config, torch.channels_last).state_dict() == {}
