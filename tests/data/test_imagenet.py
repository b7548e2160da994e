"""ImageNet and Imagenette, from small archives in their exact formats."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torchvision
from PIL import Image
from torchvision.datasets import Imagenette
from torchvision.datasets.imagenet import ARCHIVE_META

from vgglab.config import ImagenetConfig, ImagenetteConfig
from vgglab.config.parse import parse
from vgglab.data import normalise
from vgglab.data.errors import DataError
from vgglab.data.listing import list_images
from vgglab.data.smaller_copy import COPY_RECORD
from vgglab.data.sources import imagenet
from vgglab.data.sources.registry import fingerprint, load_splits, unpack
from vgglab.data.sources.source import PIXELS_VERSION

WNIDS = ("n01440764", "n02102040")
PER_CLASS = 600


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (10, 8)).save(buffer, format="JPEG")
    return buffer.getvalue()


def write_tar(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def devkit(folder: Path) -> list[tuple[str, bytes]]:
    from scipy.io import savemat

    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")
    synsets = np.array(
        [(i + 1, wnid, f"name {i}", "", 0) for i, wnid in enumerate(WNIDS)],
        dtype=[(field, "O") for field in fields],
    )
    meta = folder / "meta.mat"
    savemat(str(meta), {"synsets": synsets})
    inside = "ILSVRC2012_devkit_t12/data"
    truth = b"2\n1\n1\n"
    return [
        (f"{inside}/meta.mat", meta.read_bytes()),
        (f"{inside}/ILSVRC2012_validation_ground_truth.txt", truth),
    ]


@pytest.fixture
def archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the three archives, of two classes with 600 images each."""
    root = tmp_path / "imagenet"
    root.mkdir()
    classes = []
    for wnid in WNIDS:
        files = ((f"{wnid}_{i}.JPEG", jpeg()) for i in range(PER_CLASS))
        inner = write_tar(tmp_path / f"{wnid}.tar", files)
        classes.append((inner.name, inner.read_bytes()))
    validation = [(f"ILSVRC2012_val_{i:08}.JPEG", jpeg()) for i in (1, 2, 3)]
    contents = {
        "train": classes,
        "val": validation,
        "devkit": devkit(tmp_path),
    }
    for kind, content in contents.items():
        name = ARCHIVE_META[kind][0]
        made = write_tar(root / name, content)
        checksum = hashlib.md5(made.read_bytes()).hexdigest()
        monkeypatch.setitem(ARCHIVE_META, kind, (name, checksum))
    monkeypatch.setitem(imagenet.PUBLISHED_IMAGES, "imagenet", (2 * PER_CLASS, 3))
    monkeypatch.setattr(ImagenetConfig, "classes", property(lambda _: 2))
    return root


def test_the_archives_are_those_that_torchvision_knows() -> None:
    """Where this fails, torchvision's release has other archives: then a fingerprint, and so every
    run id of these data sets, is to be changed knowingly or not at all."""
    release = f"torchvision {torchvision.__version__}"
    assert dict(ARCHIVE_META.values()) == imagenet.IMAGENET_ARCHIVES, release
    assert Imagenette._ARCHIVES == imagenet.IMAGENETTE_ARCHIVES, release


def test_without_files_it_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_splits(ImagenetConfig(root=str(tmp_path)), tmp_path)
    message = str(caught.value)
    assert f"no train and val in {tmp_path}; nothing is downloaded" in message
    for archive in imagenet.IMAGENET_ARCHIVES:
        assert archive in message
    assert "\n" not in message
    assert not list(tmp_path.iterdir())


def test_it_is_extracted_from_its_archives_when_asked(archives: Path, tmp_path: Path) -> None:
    config = ImagenetConfig(root=str(archives), validation_images=1_000)
    with pytest.raises(DataError, match="task=prepare data=imagenet"):
        load_splits(config, tmp_path)
    unpack(config)
    list_images.cache_clear()
    splits = load_splits(config, tmp_path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (200, 1_000, 3)
    assert np.bincount(splits.validation.labels_n).tolist() == [500, 500]
    assert not set(splits.train.names_n.tolist()) & set(splits.validation.names_n.tolist())
    # The ground truth numbers the synsets; image 1 is of the second.
    tests = dict(zip(splits.test.names_n.tolist(), splits.test.labels_n.tolist(), strict=True))
    assert tests[f"val/{WNIDS[1]}/ILSVRC2012_val_00000001.JPEG".encode()] == 1
    assert sorted(tests.values()) == [0, 0, 1]
    assert splits.test.image_chw(0).shape == (3, 8, 10)


def test_a_part_of_it_is_not_it(archives: Path, tmp_path: Path) -> None:
    unpack(ImagenetConfig(root=str(archives)))
    next((archives / "train" / WNIDS[0]).iterdir()).unlink()
    with pytest.raises(DataError, match="has 1,199 train images instead of 1,200"):
        load_splits(ImagenetConfig(root=str(archives)), tmp_path)


def test_the_fingerprint_is_that_of_the_archives_and_of_a_copy_another(tmp_path: Path) -> None:
    config = ImagenetConfig(root=str(tmp_path))
    whole = fingerprint(config, tmp_path)
    sums = f"md5:{ARCHIVE_META['train'][1]}+{ARCHIVE_META['val'][1]}"
    assert whole == f"{sums};pixels:{PIXELS_VERSION}"
    assert fingerprint(ImagenetConfig(root="elsewhere"), tmp_path) == whole
    (tmp_path / COPY_RECORD).write_text('{"shorter_side": 512}\n')
    copy = 'copy:{"shorter_side": 512}'
    assert fingerprint(config, tmp_path) == f"{sums};{copy};pixels:{PIXELS_VERSION}"


def test_colours_are_those_of_the_folder_that_is_read(
    archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another tool's smaller copy counts as the same archives.
    monkeypatch.setattr(normalise, "SAMPLED_FILES", 2)
    for name, grey in (("one", 40), ("other", 200)):
        for place in [*(f"train/{wnid}" for wnid in WNIDS), *(f"val/{wnid}" for wnid in WNIDS)]:
            folder = tmp_path / name / place
            folder.mkdir(parents=True)
            for number in range(PER_CLASS if place.startswith("train") else 1):
                Image.new("L", (4, 4), grey).save(folder / f"{number}.png")
            (folder / "0.png").write_bytes((folder / "0.png").read_bytes() + bytes(grey))
    monkeypatch.setitem(imagenet.PUBLISHED_IMAGES, "imagenet", (2 * PER_CLASS, 2))
    means, prints = [], set()
    for name in ("one", "other"):
        tree = {
            "data": {"name": "imagenet", "root": str(tmp_path / name), "validation_images": 1_000},
            "recipe": {"scale_min": 256, "scale_max": 256},
            "protocol": {"top_k": [1]},
            "trainer": {"workers": 0},
            "paths": {"data": str(tmp_path / "kept")},
        }
        config = parse(tree)
        prints.add(fingerprint(config.data, tmp_path))
        train = load_splits(config.data, tmp_path).train
        means.append(normalise.color_statistics(config, train).mean_c)
    assert len(prints) == 1
    assert means == [(40.0,) * 3, (200.0,) * 3]


def test_imagenette_is_read_as_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {"train": 40, "val": 5}
    files = [
        (f"imagenette2-320/{split}/{wnid}/{i}.JPEG", jpeg())
        for split, count in counts.items()
        for wnid in [f"n{label:08}" for label in range(10)]
        for i in range(count)
    ]
    # Where the archive is in its place, torchvision fetches nothing.
    archive = write_tar(tmp_path / "imagenette2-320.tgz", files)
    checksum = hashlib.md5(archive.read_bytes()).hexdigest()
    url, _ = imagenet.IMAGENETTE_ARCHIVES["320px"]
    monkeypatch.setitem(imagenet.IMAGENETTE_ARCHIVES, "320px", (url, checksum))
    monkeypatch.setitem(imagenet.PUBLISHED_IMAGES, "imagenette", (400, 50))
    config = ImagenetteConfig(root=str(tmp_path), validation_images=100)
    splits = load_splits(config, tmp_path)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (300, 100, 50)
    assert "fetching" in capsys.readouterr().out
    assert fingerprint(config, tmp_path) == f"md5:{checksum};pixels:{PIXELS_VERSION}"


def test_imagenette_without_network_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "http://127.0.0.1:9/imagenette2-320.tgz"
    monkeypatch.setitem(imagenet.IMAGENETTE_ARCHIVES, "320px", (url, "0" * 32))
    with pytest.raises(DataError, match="on a machine with network, unpack it there") as caught:
        load_splits(ImagenetteConfig(root=str(tmp_path / "x")), tmp_path)
    assert "\n" not in str(caught.value)
