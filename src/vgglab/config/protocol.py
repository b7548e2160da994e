"""How a trained net is tested, and at which test scales Q (paper, sections 3.2 and 4)."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, Role
from vgglab.config.names import one_of
from vgglab.config.recipe import RecipeConfig

Kind = Literal["center", "dense", "crops", "corners"]
"""What a net can be shown of an image; ``evaluation/views.py`` has the function of each."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class KindTraits:
    """Arithmetic of one kind of view."""

    views: int
    """Forwards at one scale, without mirror images."""
    is_mirrored: bool = True
    """The mirror image is shown as well, where the training has flips."""
    needs_room: bool = False
    """Several crops are cut, so that the image must be larger than one."""


KINDS: dict[Kind, KindTraits] = {
    "center": KindTraits(views=1, is_mirrored=False),
    "dense": KindTraits(views=1),
    "crops": KindTraits(views=25, needs_room=True),
    "corners": KindTraits(views=5, needs_room=True),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """A way of testing a trained net."""

    kinds: tuple[Kind, ...]
    """What the net is shown; the posteriors of several kinds are averaged."""
    has_several_scales: bool = False
    """Takes several test scales Q, and by default three, instead of one."""

    @property
    def needs_room(self) -> bool:
        """Whether the image must be larger than a crop at one of the scales."""
        return any(KINDS[kind].needs_room for kind in self.kinds)


PROTOCOLS: dict[str, Protocol] = {
    # One forward of the centre crop.
    "center": Protocol(kinds=("center",)),
    # The net as convolutions over the whole image.
    "dense": Protocol(kinds=("dense",)),
    "multi_scale": Protocol(kinds=("dense",), has_several_scales=True),
    # 5x5 crops at each scale.
    "multi_crop": Protocol(kinds=("crops",), has_several_scales=True),
    "both": Protocol(kinds=("dense", "crops"), has_several_scales=True),
    # The four corners and the centre (Krizhevsky et al. 2012; Chatfield et al. 2014).
    "ten_crop": Protocol(kinds=("corners",)),
}
"""In the order of tables: the paper's, from one forward to 150 crops and more."""
ProtocolName = Annotated[str, one_of(PROTOCOLS)]

FULL_STEP = 32
"""px between the paper's test scales of a net trained at a fixed S."""


TOP_K = (1, 5)
"""The paper's errors."""


def usual_top_k(classes: int) -> tuple[int, ...]:
    """Those of ``TOP_K`` that so many classes can have; always the first."""
    return tuple(k for k in TOP_K if k == 1 or k < classes)


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ProtocolConfig:
    """How a trained net is tested."""

    name: Annotated[ProtocolName, Role.SCIENTIFIC] = "center"
    """A row of ``PROTOCOLS``."""
    scales: Annotated[tuple[Annotated[int, Field(ge=8, le=4096)], ...], Role.SCIENTIFIC] = ()
    """Test scales Q of ``name``: shorter side of the image, px; empty: they follow from the
    training scale S by the paper's rules."""
    also: Annotated[tuple[ProtocolName, ...], Role.INFRASTRUCTURE] = ()
    """Further protocols to test under. The weights do not depend on them: a run that lacks one is
    tested again, not trained again."""
    top_k: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Role.FIXED] = TOP_K
    """Errors that are reported; each k must be below the number of classes. Where a command does
    not say, ``usual_top_k``."""

    def __post_init__(self) -> None:
        if repeated := [scale for scale in self.scales if self.scales.count(scale) > 1]:
            raise ValueError(
                f"scales = {list(self.scales)}: {repeated[0]} is there more than once, which tests "
                "the same views again"
            )
        if len(self.scales) > 1 and not PROTOCOLS[self.name].has_several_scales:
            several = [name for name, row in PROTOCOLS.items() if row.has_several_scales]
            raise ValueError(
                f"scales = {list(self.scales)}: {self.name} takes one; "
                f"{', '.join(several[:-1])} and {several[-1]} take several"
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
    """Whether mirror images are shown as well, of the kinds that have them."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What the net is shown; the posteriors of several kinds are averaged."""
        return PROTOCOLS[self.name].kinds

    @property
    def mirrored(self) -> bool:
        """Whether posteriors of an image and of its mirror image are averaged."""
        return any(self.mirrors(kind) for kind in self.kinds)

    def mirrors(self, kind: Kind) -> bool:
        """Whether the mirror images of a kind of view are shown as well."""
        return self.flip and KINDS[kind].is_mirrored

    @property
    def forwards(self) -> int:
        """Forwards of one image; 150 for crops at three scales with mirror images."""
        a_scale = sum(KINDS[kind].views * (1 + self.mirrors(kind)) for kind in self.kinds)
        return a_scale * len(self.scales)


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

    Args:
        name: a row of ``PROTOCOLS``.
        recipe: gives the training scales that the test scales follow from.
        image_size: side of the crops that the net is trained on, px.
        flip: whether the training mirrors images.
        scales: test scales Q, px; empty: by the paper's rules.

    Raises:
        ValueError: its crops do not fit into the image at its scales.
    """
    rule: tuple[int, ...] = (single_scale(recipe, image_size),)
    protocol = PROTOCOLS[name]
    if protocol.has_several_scales:
        rule = multiple_scales(recipe, image_size)
    chosen = scales or rule
    if protocol.needs_room and (min(chosen) < image_size or max(chosen) == image_size):
        raise ValueError(
            f"protocol={name} cuts crops of {image_size} px from the image at shorter sides Q of "
            f"{', '.join(map(str, chosen))} px: none may be smaller than the crop and one must be "
            "larger; set protocol.scales, or train with recipe.scale_min above data.image_size"
        )
    label = name if chosen == rule else "-".join([name, *map(str, chosen)])
    return Procedure(name=name, label=label, scales=chosen, crop=image_size, flip=flip)
