"""Every kind of image file becomes RGB, and every broken one a line that names it."""

from __future__ import annotations

import contextlib
import pickle
import resource
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vgglab.data import decode
from vgglab.data.decode import (
    UnreachableFile,
    UnreadableImage,
    decode_pixels,
    decode_tensor,
    decoder_name,
)
from vgglab.data.errors import DataError
from vgglab.data.resize import rescaled

RAMP_HW = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (20, 1))
"""Dark on the left, bright on the right."""


def kinds() -> dict[str, Image.Image]:
    grey = Image.fromarray(RAMP_HW)
    colour = Image.merge("RGB", (grey, grey.transpose(Image.Transpose.ROTATE_180), grey))
    wide = Image.fromarray(RAMP_HW.astype(np.uint16) << 8)
    return {
        "rgb.png": colour,
        "grey.png": grey,
        "grey.jpg": grey,
        "alpha.png": colour.convert("RGBA"),
        "grey_alpha.png": grey.convert("LA"),
        "palette.png": colour.convert("P", palette=Image.Palette.ADAPTIVE, colors=256),
        "palette.gif": grey.convert("P"),
        "two_colours.png": grey.convert("1"),
        "cmyk.jpg": colour.convert("CMYK"),
        "cmyk.tif": colour.convert("CMYK"),
        "wide.png": wide,
        "wide.tif": wide,
        "rgb.webp": colour,
    }


@pytest.mark.parametrize("name", list(kinds()))
def test_every_kind_becomes_rgb(name: str, tmp_path: Path) -> None:
    kinds()[name].save(tmp_path / name)
    image_chw = decode_tensor(tmp_path / name)
    assert image_chw.shape == (3, 20, 32)
    assert image_chw.dtype == torch.uint8
    red_w = image_chw[0].double().mean(0)
    assert red_w[:4].mean() < 40
    assert red_w[-4:].mean() > 200
    if name != "two_colours.png":
        assert 90 < red_w[14:18].mean() < 160  # 16 bits, cut off at 255, would be white


def test_transparency_is_dropped(tmp_path: Path) -> None:
    image = Image.new("RGBA", (10, 10), (200, 100, 50, 0))
    image.save(tmp_path / "x.png")
    assert decode_tensor(tmp_path / "x.png")[:, 0, 0].tolist() == [200, 100, 50]


def test_of_several_frames_the_first(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    assert decode_tensor(tmp_path / "x.gif")[:, 5, 5].tolist() == [255, 0, 0]


def test_the_orientation_is_not_applied(tmp_path: Path) -> None:
    image = Image.fromarray(RAMP_HW)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.save(tmp_path / "x.jpg", exif=exif)
    assert decode_tensor(tmp_path / "x.jpg").shape == (3, 20, 32)


def write(path: Path, kind: str) -> None:
    whole = path.with_name("whole.jpg")
    Image.effect_noise((64, 64), 50).save(whole)
    content = {
        "empty": b"",
        "text": b"<html>404 not found</html>",
        "cut off": whole.read_bytes()[:700],
    }
    if kind in content:
        path.write_bytes(content[kind])
    elif kind == "floating":
        Image.new("F", (10, 10)).save(path, format="TIFF")
    elif kind == "bomb":
        Image.new("1", (15_000, 6_100)).save(path, format="PNG")
    elif kind == "ribbon":
        Image.new("L", (1_001, 10)).save(path, format="PNG")
    elif kind == "folder":
        path.mkdir()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "an empty file"),
        ("text", "not an image"),
        ("cut off", "truncated"),
        ("floating", "floating-point pixels"),
        ("bomb", "too large, Image size (91500000 pixels) exceeds limit"),
        ("ribbon", "1001 x 10 px: longer than 100:1"),
        ("missing", "No such file"),
        ("folder", "Is a directory"),
    ],
)
def test_a_broken_file_is_named_with_its_fault(kind: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    write(path, kind)
    with pytest.raises(UnreadableImage) as caught:
        decode_tensor(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert reason in message
    assert "\n" not in message
    # It has to come out of a worker process.
    copied = pickle.loads(pickle.dumps(caught.value))
    assert str(copied) == message
    # Another machine may have the file, and a setting say what its values mean.
    assert isinstance(copied, UnreachableFile) == (kind in ("missing", "folder", "floating"))


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (20_000, 200)])
def test_smallest_and_longest_images_are_read(size: tuple[int, int], tmp_path: Path) -> None:
    Image.new("RGB", size, (9, 8, 7)).save(tmp_path / "x.png")
    image_chw = decode_tensor(tmp_path / "x.png")
    assert image_chw.shape == (3, *reversed(size))
    small_chw = rescaled(image_chw, 40)
    assert min(small_chw.shape[1:]) == 40
    assert small_chw.flatten(1).unique(dim=1).flatten().tolist() == [9, 8, 7]


def test_a_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    """20,000 x 20,000 px would be 1.2 GB; there is nothing but a header."""
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0),
        b"IDAT": zlib.compress(b""),
    }
    content = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks.items():
        content += struct.pack(">I", len(body)) + name + body
        content += struct.pack(">I", zlib.crc32(name + body))
    (tmp_path / "x.png").write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableImage, match=r"too large, Image size \(400000000 pixels\)"):
        decode_tensor(tmp_path / "x.png")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


@pytest.mark.parametrize("name", list(kinds()))
def test_a_file_cut_anywhere_is_whole_or_unreadable(name: str, tmp_path: Path) -> None:
    """Never an exception of the decoder's own."""
    whole, cut = tmp_path / name, tmp_path / f"cut_{name}"
    kinds()[name].save(whole)
    content = whole.read_bytes()
    for length in {*range(0, len(content), max(1, len(content) // 40)), len(content) - 1}:
        cut.write_bytes(content[:length])
        with contextlib.suppress(UnreadableImage):
            assert decode_tensor(cut).shape == (3, 20, 32)


def test_want_of_memory_is_not_the_files_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    monkeypatch.setattr("vgglab.data.decode._rgb", full)
    with pytest.raises(MemoryError):
        decode_tensor(tmp_path / "x.png")


def photograph(path: Path, **options: Any) -> Path:
    """A JPEG file with edges, ramps and noise."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:91, :130]
    picture_hwc = np.stack([columns * 1.9, rows * 2.8, 255 - columns * 1.9], axis=-1)
    picture_hwc[20:60, 30:90] = 250, 10, 30
    picture_hwc[:30, :30] += draw.normal(0, 60, (30, 30, 3))
    image = Image.fromarray(picture_hwc.clip(0, 255).astype(np.uint8))
    image.convert(options.pop("mode", "RGB")).save(path, format="JPEG", **options)
    return path


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_both_decoders_make_the_same_bytes(
    mode: str, progressive: bool, quality: int, subsampling: int, tmp_path: Path
) -> None:
    options = {"quality": quality, "progressive": progressive, "subsampling": subsampling}
    path = photograph(tmp_path / "x.jpg", mode=mode, **options)
    assert decode._by_simplejpeg(path) is not None
    assert np.array_equal(decode_pixels(path, "simplejpeg"), decode_pixels(path, "pillow"))


@pytest.mark.parametrize("mode", ["CMYK", "RGB"])
def test_what_simplejpeg_does_not_do_pillow_does(mode: str, tmp_path: Path) -> None:
    path = photograph(
        tmp_path / "x.jpg", mode=mode, **({"keep_rgb": True} if mode == "RGB" else {})
    )
    assert decode._by_simplejpeg(path) is None
    assert np.array_equal(decode_pixels(path), decode_pixels(path, "pillow"))


def test_rubbish_between_markers_does_not_matter_to_either(tmp_path: Path) -> None:
    """A warning of libjpeg's, which is simplejpeg's to refuse and Pillow's to overlook."""
    whole = photograph(tmp_path / "x.jpg").read_bytes()
    path = tmp_path / "odd.jpg"
    path.write_bytes(whole[:-2] + b"rubbish" + whole[-2:])
    assert np.array_equal(decode_pixels(path), decode_pixels(path, "pillow"))


def test_without_simplejpeg_pillow_does_it_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = photograph(tmp_path / "x.jpg")
    expected = decode_pixels(path)
    assert decoder_name().startswith("simplejpeg ")
    assert decoder_name("pillow").startswith("pillow ")
    monkeypatch.setattr(decode, "simplejpeg", None)
    assert np.array_equal(decode_pixels(path), expected)
    assert decoder_name().startswith("pillow ")
    with pytest.raises(DataError, match="not installed"):
        decoder_name("simplejpeg")
