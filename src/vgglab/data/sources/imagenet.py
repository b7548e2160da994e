"""ImageNet (ILSVRC-2012) and Imagenette in the folders that torchvision makes of their archives."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

from vgglab.config import ImagenetConfig, ImagenetteConfig
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.listing import Listing, data_root, list_images
from vgglab.data.smaller_copy import COPY_RECORD
from vgglab.data.sources.source import FileSource
from vgglab.data.splits import Splits, split_originals

PUBLISHED_IMAGES = {"imagenet": (1_281_167, 50_000), "imagenette": (9_469, 3_925)}
"""Published images for training and for validation."""
IMAGENET_ARCHIVES = {
    "ILSVRC2012_img_train.tar": "1d675b47d978889d74fa0da5fadfb00e",
    "ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622",
    "ILSVRC2012_devkit_t12.tar.gz": "fa75699e90414af021442c21a62c3abf",
}
"""Files that ILSVRC-2012 is distributed as, with their MD5; the first two hold the images."""
_IMAGENETTE_URL = "https://s3.amazonaws.com/fast-ai-imageclas/"
IMAGENETTE_ARCHIVES = {
    "full": (f"{_IMAGENETTE_URL}imagenette2.tgz", "fe2fc210e6bb7c5664d602c3cd71e612"),
    "320px": (f"{_IMAGENETTE_URL}imagenette2-320.tgz", "3df6f0d01a2c9592104656642f5e78a3"),
    "160px": (f"{_IMAGENETTE_URL}imagenette2-160.tgz", "e793b78cc4c9e9a4ccc0c1155377a412"),
}
"""``data.size`` -> URL and MD5 of the archive.

Both tables are part of fingerprints, and so of run ids: they stand here and are not read from
torchvision, whose tables are undocumented. tests/data/test_imagenet.py compares them.
"""


def extract_imagenet(config: ImagenetConfig) -> None:
    """Make ``train`` and ``val`` of the archives in the root, by torchvision, where they are not.

    Raises:
        DataError: an archive is missing or broken.
    """
    from torchvision.datasets import ImageNet

    root = data_root(config.root)
    try:
        for split in ("train", "val"):
            if not (root / split).is_dir():
                ImageNet(str(root), split=split)
    except (RuntimeError, OSError) as error:
        raise DataError(f"data=imagenet: {_where_to_get_it(root)} ({error})") from error


def _where_to_get_it(root: Path) -> str:
    *others, last = IMAGENET_ARCHIVES
    return (
        f"no train and val in {root.resolve()}; nothing is downloaded: get {', '.join(others)} and "
        f"{last} from https://image-net.org (an account is needed), put them there, and run "
        "task=prepare data=imagenet"
    )


def _imagenet_listing(config: ImagenetConfig) -> Listing:
    folder = data_root(config.root)
    if not ((folder / "train").is_dir() and (folder / "val").is_dir()):
        raise DataError(f"data=imagenet: {_where_to_get_it(folder)}")
    return _whole_listing(config, folder)


def _imagenette_listing(config: ImagenetteConfig) -> Listing:
    root = data_root(config.root)
    url, checksum = IMAGENETTE_ARCHIVES[config.size]
    # A copy by task=prepare has the splits in its root; an archive has them in a folder.
    folder = root if (root / COPY_RECORD).exists() else root / Path(url).stem
    if not folder.is_dir():
        _download(url, checksum, root)
    return _whole_listing(config, folder)


def _download(url: str, checksum: str, root: Path) -> None:
    from torchvision.datasets.utils import download_and_extract_archive

    print(f"data=imagenette: not unpacked in {root}; fetching {url}", flush=True)
    try:
        root.mkdir(parents=True, exist_ok=True)
        download_and_extract_archive(url, str(root), md5=checksum)
    except (URLError, OSError, RuntimeError) as error:
        raise DataError(
            f"data=imagenette: not found in {root.resolve()} and the download failed ({error}); "
            f"fetch {url} on a machine with network, unpack it there and run again"
        ) from error


def _whole_listing(config: ImagenetConfig | ImagenetteConfig, folder: Path) -> Listing:
    """The files of the published splits.

    Raises:
        DataError: some of them are not there.
    """
    listing = list_images(folder)
    if len(listing.classes) != config.classes:
        raise DataError(
            f"data={config.name}: {folder} has {len(listing.classes)} classes instead of "
            f"{config.classes}; for a part of it use data=folder"
        )
    for split, count in zip(("train", "validation"), PUBLISHED_IMAGES[config.name], strict=True):
        found = len(listing.members(split))
        if found != count:
            raise DataError(
                f"data={config.name}: {folder} has {found:,} {split} images instead of {count:,}; "
                "extract it again, or use data=folder for a part of it"
            )
    return listing


def _split(config: ImagenetConfig | ImagenetteConfig, listing: Listing) -> Splits[FileSet]:
    """Tests on the published validation images, as the paper does, and validates on training images
    set aside: what is reported must not be what choices are made by."""
    train_m = listing.members("train")
    parts = split_originals(
        listing.labels_n[train_m],
        test_fraction=0.0,
        validation_fraction=config.validation_images / len(train_m),
        seed=config.split_seed,
    )
    return Splits(
        train=listing.file_set(train_m[parts["train"]]),
        validation=listing.file_set(train_m[parts["validation"]]),
        test=listing.file_set(listing.members("validation")),
    )


def _content(root: str, *checksums: str) -> str:
    """The archives' checksums; of a copy by ``task=prepare``, also how it was made."""
    record = data_root(root) / COPY_RECORD
    copy = f";copy:{record.read_text(encoding='utf-8').strip()}" if record.exists() else ""
    return f"md5:{'+'.join(checksums)}{copy}"


IMAGENET: FileSource[ImagenetConfig] = FileSource(
    content=lambda config: _content(config.root, *[*IMAGENET_ARCHIVES.values()][:2]),
    address=lambda _: "https://image-net.org",
    listing=_imagenet_listing,
    split=_split,
    unpack=extract_imagenet,
    published_images=PUBLISHED_IMAGES["imagenet"],
)
IMAGENETTE: FileSource[ImagenetteConfig] = FileSource(
    content=lambda config: _content(config.root, IMAGENETTE_ARCHIVES[config.size][1]),
    address=lambda _: "https://github.com/fastai/imagenette",
    listing=_imagenette_listing,
    split=_split,
    published_images=PUBLISHED_IMAGES["imagenette"],
)
