"""A8: greys of more than 8 bits keep their contrast by one rule for all files, or are refused."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from running import Command

from vgglab.config import FolderConfig
from vgglab.config.parse import ConfigError, parse
from vgglab.data.decode import UnclearGreys, UnreadableImage, decode_pixels
from vgglab.data.sources.registry import fingerprint, load_splits


def ramp(black: float, white: float, kind: type[np.generic]) -> NDArray[Any]:
    """Dark on the left, bright on the right."""
    return np.tile(np.linspace(black, white, 33), (20, 1)).astype(kind)


def saved(path: Path, values: NDArray[Any]) -> Path:
    Image.fromarray(values).save(path)
    return path


def deep_png(path: Path, values_hwc: NDArray[np.uint16]) -> Path:
    """A PNG file of 16 bits a channel, which Pillow does not write."""
    height, width, channels = values_hwc.shape
    kind = {2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values_hwc)
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        content += struct.pack(">I", len(body)) + name + body
        content += struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("name", "black", "white", "kind"),
    [
        ("x.png", 0, 255, np.uint16),
        ("x.png", 0, 4_095, np.uint16),
        ("x.tif", 0, 4_095, np.uint16),
        ("x.tif", 0, 255, np.int32),
        ("x.tif", 0, 1_000_000, np.int32),
        ("x.tif", -1_000, 20_000, np.int32),
        ("x.tif", 0, 1, np.float32),
        ("x.tif", 0, 65_535, np.float32),
    ],
)
def test_what_is_not_clear_is_asked_and_then_kept(
    name: str, black: float, white: float, kind: type[np.generic], tmp_path: Path
) -> None:
    path = saved(tmp_path / name, ramp(black, white, kind))
    with pytest.raises(UnclearGreys, match=rf"{name}: .* from .*data\.grey_range=\[0,4095\]"):
        decode_pixels(path)
    values_w = decode_pixels(path, grey_range=(black, white))[0, :, 0].astype(int)
    assert abs(values_w - np.linspace(0, 255, 33)).max() <= 1


def test_one_factor_for_all_files(tmp_path: Path) -> None:
    """Half as bright stays half as bright, whatever an image's own brightest pixel is."""
    dark, bright = (
        saved(tmp_path / name, np.full((9, 9), value, np.uint16))
        for name, value in (("dark.png", 1_000), ("bright.png", 2_000))
    )
    values = [decode_pixels(path, grey_range=(0, 4_095))[0, 0, 0] for path in (dark, bright)]
    assert values == [62, 125]


def test_16_bits_are_what_they_were(tmp_path: Path) -> None:
    values_hw = ramp(0, 65_535, np.uint16)
    for name in ("x.png", "x.tif", "x.pgm", "x.jp2"):
        path = saved(tmp_path / name, values_hw)
        assert (decode_pixels(path)[..., 0] == values_hw >> 8).all()
    black = saved(tmp_path / "black.png", np.zeros((9, 9), np.uint16))
    assert (decode_pixels(black) == 0).all()


def test_a_format_that_says_which_value_is_white_is_believed(tmp_path: Path) -> None:
    """A dark image of 12 bits, whose file says so."""
    values = ramp(0, 255, np.uint16).astype(">u2")
    (tmp_path / "x.pgm").write_bytes(b"P5 33 20 4095\n" + values.tobytes())
    assert decode_pixels(tmp_path / "x.pgm")[0, -1, 0] == 15


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_16_bits(channels: int, tmp_path: Path) -> None:
    """Pillow reads their upper 8 bits alone: a colour of 8 bits in 16 would be black."""
    full = deep_png(tmp_path / "x.png", np.stack([ramp(0, 65_535, np.uint16)] * channels, -1))
    assert decode_pixels(full)[0, -1].tolist() == [255, 255, 255]
    lower = deep_png(tmp_path / "y.png", np.stack([ramp(0, 255, np.uint16)] * channels, -1))
    with pytest.raises(UnclearGreys, match="16 bits a channel, with next to nothing in the upper"):
        decode_pixels(lower)


def test_pixels_that_are_no_numbers(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.tif", np.full((9, 9), np.nan, np.float32))
    with pytest.raises(UnreadableImage, match="pixels that are not finite") as caught:
        decode_pixels(path, grey_range=(0, 1))
    assert not isinstance(caught.value, UnclearGreys)


def folder_of_12_bits(root: Path) -> Path:
    for place, name in enumerate(("dark", "light")):
        (root / name).mkdir(parents=True)
        for number in range(10):
            values = ramp(2_000 * place, 2_000 * place + 50 * number, np.uint16)
            saved(root / name / f"{number}.png", values)
    return root


def prepare_of(root: Path) -> tuple[str, ...]:
    folder = ("data=folder", f"data.root={root}", "data.classes=2")
    return ("task=prepare", *folder, "trainer.workers=1")


def test_such_files_are_not_skipped(tmp_path: Path) -> None:
    """Else the dark ones of a folder, which may be a class, would be gone."""
    root = folder_of_12_bits(tmp_path / "images")
    with pytest.raises(UnreadableImage, match="nothing says which values are black"):
        fingerprint(FolderConfig(root=str(root), classes=2, on_error="skip"), tmp_path)
    config = FolderConfig(root=str(root), classes=2, on_error="skip", grey_range=(0, 4_095))
    train = load_splits(config, tmp_path).train
    assert {int(train.image_chw(i).max()) > 100 for i in range(len(train))} == {True, False}


def test_prepare_says_both(command: Command, tmp_path: Path) -> None:
    fields = prepare_of(folder_of_12_bits(tmp_path / "images"))
    said = command(*fields)
    assert said.returncode == 2
    assert "data.grey_range=[0,4095]" in said.stdout
    said = command(*fields, "data.grey_range=[0,4095]")
    assert said.returncode == 0, said.stderr
    assert "2 images are of one colour: there is no shape in them to learn" in said.stdout
    said = command(*fields, "data.grey_range=[0,4095]", "format=json")
    assert json.loads(said.stdout)["one_colour"] == 2


def test_prepare_does_not_skip_what_training_refuses(command: Command, tmp_path: Path) -> None:
    fields = prepare_of(folder_of_12_bits(tmp_path / "images"))
    ended = command(*fields, "data.on_error=skip")
    assert ended.returncode == 2
    assert "cannot be skipped" in ended.stderr


def test_black_is_below_white() -> None:
    with pytest.raises(ConfigError, match=r"grey_range = \[5.0, 5.0\]: black must be below white"):
        parse({"data": {"name": "folder", "root": "x", "grey_range": [5, 5]}})


@pytest.mark.parametrize("grey_range", [None, (0.0, 65_535.0)])
def test_deep_greys_whose_zero_is_white_are_refused(
    grey_range: tuple[float, float] | None, tmp_path: Path
) -> None:
    path = tmp_path / "negative.tif"
    Image.fromarray(ramp(0, 255, np.uint8)).save(path, tiffinfo={262: 0})
    assert decode_pixels(path)[0, 0, 0] == 0  # Pillow turns it over, and back
    Image.fromarray(ramp(0, 65_535, np.uint16)).save(path, tiffinfo={262: 0})
    with pytest.raises(UnclearGreys, match="whose 0 is white") as caught:
        decode_pixels(path, grey_range=grey_range)
    assert "\n" not in str(caught.value)
    Image.fromarray(ramp(0, 65_535, np.uint16)).save(path, tiffinfo={262: 1})
    assert decode_pixels(path)[0, 0, 0] == 0
