"""How a trained net is tested, and at which test scales Q (paper, sections 3.2 and 4)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, Role
from vgglab.config.recipe import RecipeConfig

ProtocolName = Literal["center", "dense", "multi_scale", "multi_crop", "both", "ten_crop"]

Kind = Literal["center", "dense", "crops", "corners"]
"""What a net can be shown: the centre crop, the whole image as convolutions, a grid of crops, or
crops of the four corners and the centre."""
VIEWS: dict[Kind, int] = {"center": 1, "dense": 1, "crops": 25, "corners": 5}
"""Forwards of each at one scale, mirror images left out."""

KINDS: dict[ProtocolName, tuple[Kind, ...]] = {
    "center": ("center",),
    "dense": ("dense",),
    "multi_scale": ("dense",),
    "multi_crop": ("crops",),
    "both": ("dense", "crops"),
    "ten_crop": ("corners",),
}
ONE_SCALE = ("center", "dense", "ten_crop")
"""Protocols of one test scale; the others take several."""
CUTS_CROPS = ("multi_crop", "both", "ten_crop")
"""Protocols that cut several crops, for which there must be room."""
FULL_STEP = 32
"""px between the paper's test scales of a net trained at a fixed S."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ProtocolConfig:
    """How a trained net is tested."""

    name: Annotated[ProtocolName, Role.SCIENTIFIC] = "center"
    """``center``: one forward of the centre crop. ``dense``: the net as convolutions over the whole
    image. ``multi_scale``: dense at several scales. ``multi_crop``: 5x5 crops at each scale.
    ``both``: multi-scale dense and multi-crop together. ``ten_crop``: four corners, the centre and
    their mirror images at one scale (Krizhevsky et al. 2012; Chatfield et al. 2014)."""
    scales: Annotated[tuple[Annotated[int, Field(ge=8, le=4096)], ...], Role.SCIENTIFIC] = ()
    """Test scales Q of ``name``: shorter side of the image, px; empty: they follow from the
    training scale S by the paper's rules."""
    also: Annotated[tuple[ProtocolName, ...], Role.INFRASTRUCTURE] = ()
    """Further protocols to test under. The weights do not depend on them: a run that lacks one is
    tested again, not trained again."""
    top_k: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Role.FIXED] = (1, 5)
    """Errors that are reported; each k must be below the number of classes."""

    def __post_init__(self) -> None:
        if self.name in ONE_SCALE and len(self.scales) > 1:
            raise ValueError(
                f"scales = {list(self.scales)}: {self.name} takes one; "
                "multi_scale and multi_crop take several"
            )


@dataclass(config=STRICT, kw_only=True, frozen=True)
class Procedure:
    """A protocol as it is carried out on one run."""

    name: ProtocolName
    label: str
    """Names its errors and its file: the protocol, and its scales where they are not the rule's."""
    scales: tuple[int, ...]
    """Q, px."""
    crop: int
    """Side of the square that the net was trained on, px."""
    flip: bool
    """Whether each image's mirror image is asked too; the centre crop's is not."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What the net is shown; of several, the posteriors are averaged."""
        return KINDS[self.name]

    @property
    def mirrored(self) -> bool:
        """Whether posteriors of the image and of its mirror image are averaged."""
        return self.flip and self.name != "center"

    @property
    def forwards(self) -> int:
        """Of one image: 150 crops over three scales with mirror images."""
        views = sum(VIEWS[kind] for kind in self.kinds)
        return views * len(self.scales) * (2 if self.mirrored else 1)


def single_scale(recipe: RecipeConfig, image_size: int) -> int:
    """Q = S for a fixed S, (Smin + Smax) / 2 for a jittered one (section 4.1)."""
    return recipe.test_scale or image_size


def multiple_scales(recipe: RecipeConfig, image_size: int) -> tuple[int, int, int]:
    """S - 32, S, S + 32 for a fixed S; Smin, their middle and Smax for a jittered one (4.2).

    The paper's step of 32 px is for S of 256 and 384. Below 256 it shrinks with S, to S / 8.
    """
    smallest, largest = recipe.scale_min or image_size, recipe.scale_max or image_size
    if smallest == largest:
        step = min(FULL_STEP, max(1, round(smallest / 8)))
        smallest, largest = smallest - step, largest + step
    return smallest, (smallest + largest) // 2, largest


def procedure(
    name: ProtocolName,
    recipe: RecipeConfig,
    *,
    image_size: int,
    flip: bool,
    scales: tuple[int, ...] = (),
) -> Procedure:
    """The protocol of that name for a net trained by this recipe at this crop.

    Raises:
        ValueError: its crops do not fit into the image at its scales.
    """
    rule: tuple[int, ...] = (single_scale(recipe, image_size),)
    if name not in ONE_SCALE:
        rule = multiple_scales(recipe, image_size)
    chosen = scales or rule
    if name in CUTS_CROPS and (min(chosen) < image_size or max(chosen) == image_size):
        raise ValueError(
            f"protocol={name} cuts crops of {image_size} px from the image at shorter sides Q of "
            f"{', '.join(map(str, chosen))} px: none may be smaller than the crop and one must be "
            "larger; set protocol.scales, or train with recipe.scale_min above data.image_size"
        )
    label = name if chosen == rule else "-".join([name, *map(str, chosen)])
    return Procedure(name=name, label=label, scales=chosen, crop=image_size, flip=flip)
