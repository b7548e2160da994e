"""ImageNet (ILSVRC-2012) and Imagenette in the folders that torchvision makes of their archives."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

from vgglab.config import ImagenetConfig, ImagenetteConfig
from vgglab.data.copy_mark import MARK
from vgglab.data.errors import DataError
from vgglab.data.files import FileSet
from vgglab.data.listing import Listing, listed
from vgglab.data.splits import Splits, split_originals

COUNTS = {"imagenet": (1_281_167, 50_000), "imagenette": (9_469, 3_925)}
"""Published images for training and for validation."""


def imagenet_archives() -> tuple[str, ...]:
    """Names of the files that ILSVRC-2012 is distributed as."""
    from torchvision.datasets.imagenet import ARCHIVE_META

    return tuple(name for name, _ in ARCHIVE_META.values())


def extract_imagenet(root: Path) -> None:
    """Make ``train`` and ``val`` of the archives in ``root``, by torchvision, where they are not.

    Raises:
        DataError: an archive is missing or broken.
    """
    from torchvision.datasets import ImageNet

    try:
        for split in ("train", "val"):
            if not (root / split).is_dir():
                ImageNet(str(root), split=split)
    except (RuntimeError, OSError) as error:
        raise DataError(f"data=imagenet: {_where(root)} ({error})") from error


def _where(root: Path) -> str:
    *others, last = imagenet_archives()
    return (
        f"no train and val in {root.resolve()}; nothing is downloaded: get {', '.join(others)} and "
        f"{last} from https://image-net.org (an account is needed), put them there, and run "
        "task=prepare data=imagenet"
    )


def imagenette_folder(config: ImagenetteConfig) -> Path:
    """Where its ``train`` and ``val`` are: in a folder named after the archive, or in a copy."""
    root = Path(config.root).expanduser()
    if (root / MARK).exists():
        return root
    return root / {"full": "imagenette2"}.get(config.size, f"imagenette2-{config.size[:3]}")


def _download_imagenette(config: ImagenetteConfig) -> None:
    from torchvision.datasets import Imagenette

    root = Path(config.root).expanduser()
    url, _ = Imagenette._ARCHIVES[config.size]
    print(f"data=imagenette: not unpacked in {root}; fetching {url}", flush=True)
    try:
        root.mkdir(parents=True, exist_ok=True)
        Imagenette(str(root), size=config.size, download=True)
    except (URLError, OSError, RuntimeError) as error:
        raise DataError(
            f"data=imagenette: not found in {root.resolve()} and the download failed ({error}); "
            f"fetch {url} on a machine with network, unpack it there and run again"
        ) from error


def listing_of(config: ImagenetConfig | ImagenetteConfig) -> Listing:
    """The files of the published splits.

    Raises:
        DataError: they are not there, or not all of them.
    """
    if isinstance(config, ImagenetConfig):
        folder = Path(config.root).expanduser()
        if not ((folder / "train").is_dir() and (folder / "val").is_dir()):
            raise DataError(f"data=imagenet: {_where(folder)}")
    else:
        folder = imagenette_folder(config)
        if not folder.is_dir():
            _download_imagenette(config)
    listing = listed(folder)
    if len(listing.classes) != config.classes:
        raise DataError(
            f"data={config.name}: {folder} has {len(listing.classes)} classes instead of "
            f"{config.classes}; for a part of it use data=folder"
        )
    for split, count in zip(("train", "validation"), COUNTS[config.name], strict=True):
        found = len(listing.members(split))
        if found != count:
            raise DataError(
                f"data={config.name}: {folder} has {found:,} {split} images instead of {count:,}; "
                "extract it again, or use data=folder for a part of it"
            )
    return listing


def split_imagenet(config: ImagenetConfig | ImagenetteConfig, listing: Listing) -> Splits[FileSet]:
    """Tests on the published validation images, as the paper does, and validates on training images
    set aside, so that no choice is made by what is reported."""
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


def archive_fingerprint(config: ImagenetConfig | ImagenetteConfig) -> str:
    """The checksums by which torchvision knows the archives; of a copy, also how it was made."""
    from torchvision.datasets import Imagenette
    from torchvision.datasets.imagenet import ARCHIVE_META

    if isinstance(config, ImagenetConfig):
        sums = [ARCHIVE_META[split][1] for split in ("train", "val")]
    else:
        sums = [Imagenette._ARCHIVES[config.size][1]]
    mark = Path(config.root).expanduser() / MARK
    copy = f";copy:{mark.read_text(encoding='utf-8').strip()}" if mark.exists() else ""
    return f"md5:{'+'.join(sums)}{copy}"
