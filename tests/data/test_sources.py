"""Splits share no original, are the same everywhere, and hold what the config says."""

from __future__ import annotations

import hashlib
import multiprocessing
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgglab.config import CifarConfig, ClutteredDigitsConfig, DataConfig, DigitsConfig
from vgglab.data.errors import DataError
from vgglab.data.sources.registry import channels, fingerprint, load_splits
from vgglab.data.splits import SPLITS, ImageSet, Splits, check_shared_by, with_validation

CLUTTERED = ClutteredDigitsConfig(
    train_images=400,
    validation_images=100,
    test_images=100,
    image_size=40,
    digit_min=14,
    digit_max=32,
    fragments=8,
    fragment_size=9,
)


@pytest.mark.parametrize("config", [DigitsConfig(), CLUTTERED], ids=lambda c: c.name)
def test_no_original_is_in_two_splits(config: DataConfig, datasets: Path) -> None:
    splits = load_splits(config, datasets)
    parts = [set(getattr(splits, name).originals_n.tolist()) for name in SPLITS]
    assert all(parts)
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_digits_are_the_originals_on_a_black_canvas(datasets: Path) -> None:
    splits = load_splits(DigitsConfig(), datasets)
    assert splits.train.images_nchw.shape == (3500, 1, 32, 32)
    assert splits.train.images_nchw.dtype == np.uint8
    assert (len(splits.validation), len(splits.test)) == (500, 1000)
    assert (np.bincount(splits.test.labels_n) == 100).all()
    assert splits.train.images_nchw[:, :, :2].max() == 0
    assert splits.train.images_nchw.max() == 255


def test_fewer_classes_leave_the_others_out(datasets: Path) -> None:
    splits = load_splits(DigitsConfig(classes=6), datasets)
    assert set(splits.test.labels_n) == set(range(6))


def test_cluttered_digits_keep_their_counts_and_classes(datasets: Path) -> None:
    splits = load_splits(CLUTTERED, datasets)
    assert splits.train.images_nchw.shape == (400, 1, 40, 40)
    assert (len(splits.validation), len(splits.test)) == (100, 100)
    assert len(np.unique(splits.train.labels_n)) == 10


def test_without_fragments_a_cluttered_digit_stays_within_its_sizes(datasets: Path) -> None:
    config = ClutteredDigitsConfig(
        train_images=200,
        validation_images=10,
        test_images=10,
        fragments=0,
        digit_min=14,
        digit_max=20,
    )
    for image_hw in load_splits(config, datasets).train.images_nchw[:, 0]:
        rows, columns = image_hw.any(axis=1).nonzero()[0], image_hw.any(axis=0).nonzero()[0]
        assert 1 <= rows[-1] - rows[0] + 1 <= 20
        assert 1 <= columns[-1] - columns[0] + 1 <= 20


def test_generated_images_are_the_same_bytes_everywhere(datasets: Path) -> None:
    # Another hash means other images under the same name: raise GENERATOR_VERSION with it.
    digest = hashlib.sha256(load_splits(CLUTTERED, datasets).train.images_nchw.tobytes())
    assert digest.hexdigest()[:16] == "5f6c29a1a490f3d5"


def _labels(folder: Path) -> bytes:
    return load_splits(CLUTTERED, folder).test.labels_n.tobytes()


@pytest.mark.slow
def test_processes_that_want_the_same_images_get_the_same(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        first, second = pool.map(_labels, [tmp_path, tmp_path])
    assert first == second
    assert len(list(tmp_path.glob("cluttered_digits/*.npz"))) == 1


def test_fingerprints_tell_data_apart_without_reading_images() -> None:
    assert fingerprint(DigitsConfig(), Path()) == fingerprint(DigitsConfig(shift=0), Path())
    assert fingerprint(DigitsConfig(), Path()) != fingerprint(CLUTTERED, Path())
    assert fingerprint(CifarConfig(), Path()) != fingerprint(CifarConfig(name="cifar100"), Path())
    assert channels(CifarConfig()) == 3


def write_cifar10(folder: Path, images: int) -> Path:
    """An archive in CIFAR-10's exact format, with so many random images a file."""
    generator = np.random.default_rng(0)
    base = folder / "cifar-10-batches-py"
    base.mkdir(parents=True)
    for name in [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]:
        content = {
            "data": generator.integers(0, 256, (images, 3072), dtype=np.uint8),
            "labels": [i % 10 for i in range(images)],
        }
        (base / name).write_bytes(pickle.dumps(content))
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(i) for i in range(10)]}))
    archive = folder / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(base, base.name)
    return archive


def cifar_of(folder: Path, monkeypatch: pytest.MonkeyPatch, validation: int) -> Splits[ImageSet]:
    from torchvision.datasets import CIFAR10

    archive = write_cifar10(folder / "cifar10", images=100)
    checks = {
        "tgz_md5": hashlib.md5(archive.read_bytes()).hexdigest(),
        "train_list": [[name, md5_of(archive, name)] for name, _ in CIFAR10.train_list],
        "test_list": [[name, md5_of(archive, name)] for name, _ in CIFAR10.test_list],
        "meta": CIFAR10.meta | {"md5": md5_of(archive, "batches.meta")},
    }
    for name, value in checks.items():
        monkeypatch.setattr(CIFAR10, name, value)
    return load_splits(CifarConfig(validation_images=validation), folder)


def md5_of(archive: Path, name: str) -> str:
    return hashlib.md5((archive.parent / "cifar-10-batches-py" / name).read_bytes()).hexdigest()


def test_cifar_is_read_in_its_own_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = cifar_of(tmp_path, monkeypatch, validation=100)
    first = pickle.loads((tmp_path / "cifar10/cifar-10-batches-py/data_batch_1").read_bytes())
    original = int(splits.train.originals_n[0])
    assert original < 100
    expected_chw = first["data"][original].reshape(3, 32, 32)
    assert (splits.train.images_nchw[0] == expected_chw).all()
    assert splits.train.labels_n[0] == original % 10


def test_cifar_takes_validation_from_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = cifar_of(tmp_path, monkeypatch, validation=100)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (400, 100, 100)
    assert not set(splits.train.originals_n) & set(splits.validation.originals_n)
    assert splits.test.originals_n.tolist() == list(range(500, 600))


def test_cifar_without_network_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import CIFAR10

    # Discarded at once by the loopback interface: what a machine without network answers.
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    with pytest.raises(DataError) as caught:
        load_splits(CifarConfig(), tmp_path)
    message = str(caught.value)
    assert "data=cifar10: not found in" in message
    assert "put the archive there and run again" in message
    assert "\n" not in message


@pytest.mark.parametrize("kind", [DigitsConfig, ClutteredDigitsConfig])
@pytest.mark.parametrize(
    ("fractions", "empty"),
    [
        ({"test_fraction": 0.0005}, "test"),
        ({"validation_fraction": 0.0005}, "validation"),
        ({"test_fraction": 0.499, "validation_fraction": 0.499}, "train"),
    ],
)
def test_fractions_that_leave_a_split_empty_are_refused(
    kind: Any,
    fractions: dict[str, float],
    empty: str,
    datasets: Path,
) -> None:
    field, value = next(iter(fractions.items()))
    with pytest.raises(DataError, match=f"data.{field} = {value}.* 500 of each.* is for {empty}"):
        load_splits(kind(**fractions), datasets)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((155, 0), "data.validation_images = 155: must be a multiple of 10, .*; set 150 or 160"),
        ((100, 4), "data.train_images = 4: must be a multiple of 10, .*; set 10$"),
        ((100, 15), "data.train_images = 15: .*; set 10 or 20"),
    ],
)
def test_counts_are_the_same_share_of_equal_classes_or_refused(
    counts: tuple[int, int], message: str
) -> None:
    labels_n = np.arange(500) % 10
    images_nchw = np.zeros((500, 1, 1, 1), dtype=np.uint8)
    whole = images_nchw, labels_n
    with pytest.raises(DataError, match=message):
        with_validation(whole, whole, validation_images=counts[0], train_images=counts[1], seed=0)
    splits = with_validation(whole, whole, validation_images=150, train_images=20, seed=0)
    assert (len(splits.train), len(splits.validation)) == (20, 150)


def test_fewer_validation_images_than_processes_are_refused() -> None:
    check_shared_by(2, processes=2)
    with pytest.raises(DataError, match="devices x nodes = 3: more than the 2 validation images"):
        check_shared_by(2, processes=3)
