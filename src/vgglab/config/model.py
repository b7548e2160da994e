"""Config of the net: its table, width, normalisation, initialisation."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, Fraction, PositiveInt, Role, Since
from vgglab.config.names import OWN_NAME
from vgglab.config.nets import (
    FEWEST_PLAIN,
    Blocks,
    Net,
    Pooling,
    canonical,
    check_blocks,
    is_as_before,
    net_of,
    plain_blocks,
    shipped_blocks,
)

NormName = Literal["none", "batch", "group", "layer"]
NORM_MARKS: dict[NormName, str] = {"none": "", "batch": "bn", "group": "gn", "layer": "ln"}
"""What a norm is called in names of layers and runs."""
ActivationName = Literal["relu", "gelu", "silu"]
SkipName = Literal["none", "identity"]

NetName = Annotated[str, OWN_NAME]
"""Of a file in ``conf/model/``, or of the user's own."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class LrnConfig:
    """Local response normalisation (Krizhevsky et al. 2012, section 3.3)."""

    size: Annotated[int, Field(ge=1, le=63, multiple_of=1), Role.SCIENTIFIC] = 5
    """Channels in the window, n in the paper; odd."""
    k: Annotated[float, Field(gt=0), Role.SCIENTIFIC] = 2.0
    alpha: Annotated[float, Field(ge=0), Role.SCIENTIFIC] = 1e-4
    """Multiplies the sum of squares, or their mean if ``convention`` is ``mean``."""
    beta: Annotated[float, Field(gt=0), Role.SCIENTIFIC] = 0.75
    convention: Annotated[Literal["sum", "mean"], Role.SCIENTIFIC] = "sum"
    """``sum``: the printed formula. ``mean``: alpha over n (cuda-convnet, Caffe, torch)."""

    def __post_init__(self) -> None:
        if self.size % 2 == 0:
            raise ValueError(f"size = {self.size}: must be odd")


def _has_blocks_of_its_name(model: Any) -> bool:
    """Also true of a net that follows from ``layers``: it has no table to be hashed."""
    return not model.blocks or is_as_before(model.name, model.blocks)


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ModelConfig:
    """A net: its table, or its depth, and what may be varied of it."""

    name: Annotated[NetName, Role.SCIENTIFIC] = "a"
    blocks: Annotated[
        Blocks,
        Role.SCIENTIFIC,
        Since("2026-11-27", is_before=_has_blocks_of_its_name),
    ] = ()
    """The convolutions, a row a block: ``[[64], [128], [256, {channels: 256, kernel: 1}]]``.
    Empty: those of ``conf/model/<name>.yaml``, or what follows from ``layers``."""
    layers: Annotated[int, Field(ge=0, le=1000), Role.SCIENTIFIC, Since("2026-11-27", before=0)] = 0
    """Weight layers of a net of the paper's family, ``plain_blocks``; 0: what ``blocks`` have."""
    hidden: Annotated[
        tuple[Annotated[int, Field(ge=1, le=65_536)], ...],
        Role.SCIENTIFIC,
        Since("2026-11-27", before=(4096, 4096)),
    ] = (4096, 4096)
    """Units at width 1 of the fully connected layers before the last, which has one a class."""
    width: Annotated[float, Field(gt=0, le=4), Role.SCIENTIFIC] = 0.25
    """Multiplies every channel and hidden unit count; 1 is the paper's net."""
    skip: Annotated[SkipName, Role.SCIENTIFIC, Since("2026-11-27", before="none")] = "none"
    """``identity``: adds to the output of every two convolutions of a block what went into them,
    where both maps have one shape (He et al. 2016, Figure 2); no weight more."""
    activation: Annotated[ActivationName, Role.SCIENTIFIC, Since("2026-11-27", before="relu")] = (
        "relu"
    )
    """After each convolution and each fully connected layer but the last."""
    pooling: Annotated[Pooling, Role.SCIENTIFIC, Since("2026-11-27", before="max")] = "max"
    """What halves the map at the end of a block: the maximum or the mean of a window, or the
    ``stride`` of the block's last convolution (Springenberg et al. 2015)."""
    dropout: Annotated[Fraction, Role.NUISANCE] = 0.5
    """After each of the fully connected layers before the last (paper, section 3.1)."""
    lrn: Annotated[LrnConfig, Role.SCIENTIFIC] = Field(default_factory=LrnConfig)

    def __post_init__(self) -> None:
        if self.layers:
            self._check_layers()
            return
        blocks = self.blocks or shipped_blocks(self.name)
        check_blocks(blocks)
        object.__setattr__(self, "blocks", canonical(blocks))  # frozen for everybody else

    def _check_layers(self) -> None:
        if self.blocks:
            raise ValueError(f"layers = {self.layers}: {self.name} has blocks; take model=plain")
        fewest = FEWEST_PLAIN + len(self.hidden) + 1
        if self.layers < fewest:
            raise ValueError(
                f"layers = {self.layers}: must be {fewest} or more, "
                f"{len(self.hidden) + 1} of them fully connected"
            )

    @cached_property
    def net(self) -> Net:
        """The layers that all of this says."""
        blocks = self.blocks or plain_blocks(self.layers - len(self.hidden) - 1)
        return net_of(blocks, self.hidden, self.pooling)

    @property
    def is_plain(self) -> bool:
        """Whether it is of the family of A, B, D and E, at any depth and width."""
        return not self.net.differs

    @property
    def full_name(self) -> str:
        """The net's name, with the depth where the name is of a family: ``plain-22``."""
        return f"{self.name}-{self.layers}" if self.layers else self.name


def net_label(full_name: str) -> str:
    """A net's name as a paper would write it: B-5x5 for ``b_5x5``; ``plain-22`` as it is."""
    if "-" in full_name:
        return full_name
    return re.sub(r"(?<=\d)X(?=\d)", "x", full_name.upper().replace("_", "-"))


@dataclass(config=STRICT, kw_only=True, frozen=True)
class NormConfig:
    """Normalisation between a convolution and its activation."""

    name: Annotated[NormName, Role.SCIENTIFIC] = "none"
    """``batch``; ``layer``: over all values of one image's maps; ``group``: the same, each group of
    channels by itself (Wu and He 2018)."""
    group_channels: Annotated[PositiveInt, Role.SCIENTIFIC, Since("2026-11-27", before=16)] = 16
    """``group``: channels of a group; fewer where a layer has fewer or they do not divide."""


InitName = Literal["gaussian", "gaussian_printed", "glorot", "he", "pretrained_a", "from_run"]
FROM_PARENT: frozenset[InitName] = frozenset({"pretrained_a", "from_run"})
"""Initialisations with weights from another run; ``config/parent.py`` says from which."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class InitConfig:
    """Initial weights; biases start at 0."""

    name: Annotated[InitName, Role.SCIENTIFIC] = "he"
    """``pretrained_a``: layers of the same run of A (paper, section 3.1); ``from_run``: every
    weight of a run of the same net."""
    parent: Annotated[dict[str, Any], Role.SCIENTIFIC] = Field(default_factory=dict)
    """Fields in which the run that the weights come from differs from this one, as a tree:
    ``{recipe: {learning_rate: 0.01}}``. Its own init is gaussian unless this says otherwise."""

    def __post_init__(self) -> None:
        if self.parent and self.name not in FROM_PARENT:
            raise ValueError(
                f"parent = {self.parent}: init={self.name} draws its weights; must be empty, or "
                f"init one of {', '.join(sorted(FROM_PARENT))}"
            )
