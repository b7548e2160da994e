"""Fashion-MNIST is found where it lies, compared with what was published, and downloaded once."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
import http.server
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from running import Command
from training_runs import MemorySink, directory

from vgglab.config import Config, FashionMnistConfig
from vgglab.data.errors import DataError
from vgglab.data.sources import fashion_mnist as room
from vgglab.data.sources.registry import channels, fingerprint, load_splits, published_images
from vgglab.data.splits import Images, ImageSet, Splits
from vgglab.runs import Status
from vgglab.training.experiment import run_experiment

DEBIAN_FOLDER = room.DEBIAN_FOLDER
CONFIG = FashionMnistConfig(validation_images=100)
COUNTS = {"train": 400, "t10k": 60}
"""Images that the tests' own files have."""
PLACES = (
    "fashion_mnist/FashionMNIST/raw",
    "fashion_mnist",
    "FashionMNIST/raw",
    "fashion-mnist",
)
"""Under ``paths.data``: where we download to, by hand, torchvision's, Debian's."""
needs_debians_files = pytest.mark.skipif(
    not DEBIAN_FOLDER.is_dir(), reason="needs apt-get install dataset-fashion-mnist"
)


def idx(values: Images) -> bytes:
    """The IDX format: type (8: bytes) and number of dimensions, the dimensions, the values."""
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def tiny_contents(seed: int = 0) -> dict[str, bytes]:
    """What is in the four files: random images whose labels go round the classes."""
    generator = np.random.default_rng(seed)
    contents = {}
    for part, count in COUNTS.items():
        images_nhw = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        contents[f"{part}-images-idx3-ubyte"] = idx(images_nhw)
        contents[f"{part}-labels-idx1-ubyte"] = idx((np.arange(count) % 10).astype(np.uint8))
    return contents


def put(folder: Path, contents: dict[str, bytes]) -> Path:
    """Write the files as they are published, packed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    return folder


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Contents that count as the published ones, on a machine without Debian's package and network.

    Debian's folder is an empty place in ``tmp_path``.
    """
    from torchvision.datasets import FashionMNIST

    contents = tiny_contents()
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(room, "CHECKSUMS", checksums)
    monkeypatch.setattr(room, "DEBIAN_FOLDER", tmp_path / "usr" / "fashion-mnist")
    # Discarded at once by the loopback interface: what a machine without network answers.
    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    return contents


def images_of(contents: dict[str, bytes], part: str) -> Images:
    content = contents[f"{part}-images-idx3-ubyte"]
    return np.frombuffer(content[16:], np.uint8).reshape(-1, 28, 28)


@pytest.mark.parametrize("place", PLACES)
def test_it_is_found_in_each_layout(tmp_path: Path, tiny: dict[str, bytes], place: str) -> None:
    put(tmp_path / place, tiny)
    splits = load_splits(CONFIG, tmp_path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (300, 100, 60)
    original = int(splits.train.originals_n[7])
    image_hw = splits.train.images_nchw[7, 0]
    assert (image_hw[2:30, 2:30] == images_of(tiny, "train")[original]).all()
    assert image_hw.shape == (32, 32)
    assert int(image_hw.sum()) == int(image_hw[2:30, 2:30].sum())
    assert splits.train.labels_n[7] == original % 10
    assert (splits.test.images_nchw[:, 0, 2:30, 2:30] == images_of(tiny, "t10k")).all()


def test_unpacked_files_are_read_too(tmp_path: Path, tiny: dict[str, bytes]) -> None:
    folder = tmp_path / PLACES[2]
    folder.mkdir(parents=True)
    for name, content in tiny.items():
        (folder / name).write_bytes(content)
    assert len(load_splits(CONFIG, tmp_path).test) == 60


def test_debians_files_are_found_and_packed_otherwise(
    tmp_path: Path, tiny: dict[str, bytes]
) -> None:
    put(tmp_path / PLACES[0], {"train-images-idx3-ubyte": b"the only one of four"})
    folder = put(room.DEBIAN_FOLDER, {})
    for name, content in tiny.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, compresslevel=1))
    assert len(load_splits(CONFIG, tmp_path).train) == 300
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fashion_mnist", "usr"]


def test_the_users_folder_comes_before_debians(tmp_path: Path, tiny: dict[str, bytes]) -> None:
    put(room.DEBIAN_FOLDER, tiny_contents(seed=1))  # refused, were it read
    put(tmp_path / PLACES[0], tiny)
    assert len(load_splits(CONFIG, tmp_path).train) == 300


def test_validation_is_taken_from_training(tmp_path: Path, tiny: dict[str, bytes]) -> None:
    put(tmp_path / PLACES[1], tiny)
    splits = load_splits(CONFIG, tmp_path)
    assert not set(splits.train.originals_n) & set(splits.validation.originals_n)
    assert (np.bincount(splits.validation.labels_n) == 10).all()
    assert splits.test.originals_n.tolist() == list(range(400, 460))


def test_a_larger_canvas_has_the_image_in_its_middle(
    tmp_path: Path, tiny: dict[str, bytes]
) -> None:
    put(tmp_path / PLACES[1], tiny)
    splits = load_splits(dataclasses.replace(CONFIG, image_size=64), tmp_path)
    assert (splits.test.images_nchw[:, 0, 18:46, 18:46] == images_of(tiny, "t10k")).all()


def damaged(content: bytes) -> bytes:
    """One bit of the last value is another."""
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(gzip.compress(damaged(gzip.decompress(path.read_bytes())))),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"<html>not found</html>"),
    ],
    ids=["one bit", "cut off", "empty", "another file"],
)
def test_what_was_not_published_is_refused_in_a_line(
    tmp_path: Path, tiny: dict[str, bytes], damage: Callable[[Path], int]
) -> None:
    path = put(tmp_path / PLACES[1], tiny) / "t10k-images-idx3-ubyte.gz"
    damage(path)
    with pytest.raises(DataError) as caught:
        load_splits(CONFIG, tmp_path)
    assert str(caught.value).startswith(f"data=fashion_mnist: {path} is damaged or another file (")
    assert "remove it and run again" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("tiny")
def test_without_files_and_network_one_line_says_both_ways(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_splits(CONFIG, tmp_path)
    message = str(caught.value)
    folder = tmp_path / "fashion_mnist"
    assert message.startswith(f"data=fashion_mnist: not found in {folder} or {room.DEBIAN_FOLDER}")
    assert "apt-get install dataset-fashion-mnist" in message
    assert f"put them into {folder} and run again" in message
    assert "\n" not in message
    assert not list(folder.rglob("*ubyte*"))  # nothing half downloaded is left


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that a server on this machine publishes, and its address."""
    folder = tmp_path / "published"
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_it_is_downloaded_once_by_torchvision(
    tmp_path: Path,
    tiny: dict[str, bytes],
    mirror: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from torchvision.datasets import FashionMNIST

    folder, address = mirror
    put(folder, tiny)
    packed = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    monkeypatch.setattr(FashionMNIST, "mirrors", [address])
    monkeypatch.setattr(FashionMNIST, "resources", list(packed.items()))
    data = tmp_path / "datasets"
    first = load_splits(CONFIG, data)
    assert f"fetching {address}" in capfd.readouterr().out
    assert {p.name for p in data.rglob("*-ubyte*")} == set(packed)
    monkeypatch.setattr(FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    second = load_splits(CONFIG, data)
    assert (first.train.images_nchw == second.train.images_nchw).all()
    assert "fetching" not in capfd.readouterr().out


def test_a_net_is_trained_on_it(
    small_config: Config, tmp_path: Path, tiny: dict[str, bytes]
) -> None:
    data = put(tmp_path / "fashion_mnist", tiny).parent
    recipe = dataclasses.replace(small_config.recipe, epochs=1)
    paths = dataclasses.replace(small_config.paths, data=str(data))
    config = dataclasses.replace(small_config, data=CONFIG, recipe=recipe, paths=paths)
    result = run_experiment(config, directory(tmp_path), Status(), [MemorySink()])
    assert 0 <= result["errors"]["center"]["top1_error"] <= 100


def test_its_row_answers_without_its_files(tmp_path: Path) -> None:
    assert channels(CONFIG) == 1
    assert published_images(CONFIG) == (60_000, 10_000)
    # Another digest gives finished runs other ids.
    assert fingerprint(CONFIG, tmp_path).startswith("sha256:")
    assert fingerprint(CONFIG, tmp_path) == fingerprint(FashionMnistConfig(), Path())


@needs_debians_files
def test_debians_files_are_those_that_torchvision_names() -> None:
    from torchvision.datasets import FashionMNIST

    times = {"train": 0x59A7E9DE, "t10k": 0x59A7E9F3}
    """When the published files were packed, seconds since 1970."""
    for packed, md5 in FashionMNIST.resources:
        name = packed.removesuffix(".gz")
        # Of a gzip file, Debian leaves out name and time; what is packed is the same.
        time = struct.pack("<I", times[name.partition("-")[0]])
        begin = b"\x1f\x8b\x08\x08" + time + b"\x00\x03" + name.encode() + b"\x00"
        published = begin + (DEBIAN_FOLDER / packed).read_bytes()[10:]
        assert hashlib.md5(published).hexdigest() == md5, name
        digest = hashlib.sha256(gzip.decompress(published)).hexdigest()
        assert digest == room.CHECKSUMS[name], name


@needs_debians_files
def test_the_published_images_are_all_there(tmp_path: Path) -> None:
    splits: Splits[ImageSet] = load_splits(FashionMnistConfig(), tmp_path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (55_000, 5_000, 10_000)
    for part, count in ((splits.train, 5_500), (splits.validation, 500), (splits.test, 1_000)):
        assert (np.bincount(part.labels_n) == count).all()
    assert splits.test.labels_n[:5].tolist() == [9, 2, 1, 1, 6]  # ankle boot, pullover, trousers
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@needs_debians_files
def test_prepare_counts_it(command: Command) -> None:
    done = command("task=prepare", "data=fashion_mnist", "format=csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1] == "0,0,5500,500,1000"


def test_fewer_training_images_are_the_same_share_of_each_class(
    tmp_path: Path, tiny: dict[str, bytes]
) -> None:
    put(tmp_path / PLACES[0], tiny)
    whole, part = (
        load_splits(dataclasses.replace(CONFIG, train_images=count), tmp_path) for count in (0, 50)
    )
    assert len(whole.train) == 300
    assert np.bincount(part.train.labels_n).tolist() == [5] * 10
    assert set(part.train.originals_n) < set(whole.train.originals_n)
    for name in ("validation", "test"):
        ours, theirs = getattr(part, name), getattr(whole, name)
        assert np.array_equal(ours.originals_n, theirs.originals_n)


def test_more_training_images_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="train_images = 59950: must be at most 59900"):
        FashionMnistConfig(validation_images=100, train_images=59_950)
