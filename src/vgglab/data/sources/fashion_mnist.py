"""Fashion-MNIST (Xiao et al. 2017), from files on this machine or downloaded by torchvision."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import zlib
from pathlib import Path
from urllib.error import URLError

import numpy as np
from filelock import FileLock

from vgglab.config import FashionMnistConfig
from vgglab.data.errors import DataError
from vgglab.data.sources.source import MemorySource
from vgglab.data.splits import Images, ImageSet, Labels, Splits, on_canvas, with_validation

CHECKSUMS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""File -> SHA-256 of its content, unpacked. Debian packs the published content anew, without name
and time, so that the published checksums, which are of packed files, are not those of its files."""
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package ``dataset-fashion-mnist`` puts the files."""
ADDRESS = "https://github.com/zalandoresearch/fashion-mnist"
SIDE = 28
"""Height and width of an image, px."""


def _raw_folder(root: Path) -> Path:
    """Where torchvision puts the files, given the root of its data sets."""
    return root / "FashionMNIST" / "raw"


def _places(folder: Path) -> tuple[Path, ...]:
    """Folders that the files may lie in, the first that has all of them being taken.

    ``folder`` is the data set's own under ``paths.data``, which may also be a root that torchvision
    has filled, or a copy of ``/usr/share/datasets``.
    """
    data = folder.parent
    own = (_raw_folder(folder), folder)
    return (*own, _raw_folder(data), data / DEBIAN_FOLDER.name, DEBIAN_FOLDER)


def _file(place: Path, name: str) -> Path | None:
    """The file, unpacked or packed; None where it is not there."""
    candidates = (place / name, place / f"{name}.gz")
    return next((path for path in candidates if path.is_file()), None)


def _found(folder: Path) -> dict[str, Path] | None:
    """Name -> path of each of the four files; None where no place has all of them."""
    for place in _places(folder):
        files = {name: path for name in CHECKSUMS if (path := _file(place, name))}
        if len(files) == len(CHECKSUMS):
            return files
    return None


def _files(folder: Path) -> dict[str, Path]:
    """Name -> path of each of the four files, downloaded first where no place has them.

    Raises:
        DataError: they are nowhere and cannot be downloaded.
    """
    if found := _found(folder):
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".download.lock"):
            if not (found := _found(folder)):  # else another process has just downloaded them
                _download(folder)
    except (URLError, OSError, RuntimeError) as error:
        raise DataError(
            f"data=fashion_mnist: not found in {folder.resolve()} or {DEBIAN_FOLDER} and the "
            f"download failed ({' '.join(str(error).split())}); apt-get install "
            f"dataset-fashion-mnist, or fetch {', '.join(f'{name}.gz' for name in CHECKSUMS)} "
            f"from {ADDRESS} (data/fashion) on a machine with network, put them into "
            f"{folder.resolve()} and run again"
        ) from error
    found = found or _found(folder)
    assert found, "torchvision has downloaded other files than it did"
    return found


def _download(folder: Path) -> None:
    """Put the four packed files into ``folder``; a reader never sees a part of one."""
    from torchvision.datasets import FashionMNIST

    print(f"data=fashion_mnist: not in {folder}; fetching {FashionMNIST.mirrors[0]}", flush=True)
    raw = _raw_folder(folder)
    raw.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".download-") as temporary:
        FashionMNIST(temporary, download=True)
        for path in _raw_folder(Path(temporary)).glob("*.gz"):
            path.replace(raw / path.name)


def _content(path: Path, name: str) -> bytes:
    """What is in a file, unpacked.

    Raises:
        DataError: it is not what was published.
    """
    try:
        stored = path.read_bytes()
        content = gzip.decompress(stored) if path.suffix == ".gz" else stored
        reason = f"SHA-256 {hashlib.sha256(content).hexdigest()[:16]}... of its content"
    except (OSError, EOFError, zlib.error) as error:
        content, reason = b"", str(error)
    if hashlib.sha256(content).hexdigest() != CHECKSUMS[name]:
        raise DataError(
            f"data=fashion_mnist: {path} is damaged or another file ({reason}; published: "
            f"{CHECKSUMS[name][:16]}...); remove it and run again"
        )
    return content


def _images_and_labels(files: dict[str, Path], part: str, size: int) -> tuple[Images, Labels]:
    """Images (N, 1, size, size) and labels (N,) of ``train`` or ``t10k``.

    Args:
        files: Name -> path.
        part: As the names of the files begin.
        size: Of the black canvas that each image is in the middle of, px.

    Raises:
        DataError: a file is not what was published.
    """
    images, labels = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    # In an IDX file a word for the type and one for each dimension precede the values.
    values = np.frombuffer(_content(files[images], images), np.uint8, offset=16)
    labels_n = np.frombuffer(_content(files[labels], labels), np.uint8, offset=8)
    return on_canvas(values.reshape(-1, SIDE, SIDE), size), labels_n.astype(np.int64)


def _digest(_: FashionMnistConfig) -> str:
    """Of the four checksums, each of which is compared on every load."""
    return f"sha256:{hashlib.sha256(''.join(CHECKSUMS.values()).encode()).hexdigest()}"


def _read(config: FashionMnistConfig, folder: Path) -> Splits[ImageSet]:
    files = _files(folder)
    return with_validation(
        _images_and_labels(files, "train", config.image_size),
        _images_and_labels(files, "t10k", config.image_size),
        validation_images=config.validation_images,
        train_images=config.train_images,
        seed=config.split_seed,
    )


FASHION_MNIST: MemorySource[FashionMnistConfig] = MemorySource(
    channels=1,
    content=_digest,
    address=lambda _: ADDRESS,
    read=_read,
    published_images=(60_000, 10_000),
)
