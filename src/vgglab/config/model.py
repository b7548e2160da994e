"""Config of the net: its row of the table, width, normalisation, initialisation."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, Fraction, Role
from vgglab.config.names import one_of
from vgglab.config.nets import NETS

NetName = Annotated[str, one_of(NETS)]
"""A name that ``NETS`` has."""


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


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ModelConfig:
    """One column of the paper's Table 1, or a net of Chatfield et al. 2014, at a width."""

    name: Annotated[NetName, Role.SCIENTIFIC] = "a"
    width: Annotated[float, Field(gt=0, le=4), Role.SCIENTIFIC] = 0.25
    """Multiplies every channel and hidden unit count; 1 is the paper's net."""
    dropout: Annotated[Fraction, Role.NUISANCE] = 0.5
    """After each of the first two fully connected layers (paper, section 3.1)."""
    lrn: Annotated[LrnConfig, Role.SCIENTIFIC] = Field(default_factory=LrnConfig)


@dataclass(config=STRICT, kw_only=True, frozen=True)
class NormConfig:
    """Normalisation between a convolution and its ReLU."""

    name: Annotated[Literal["none", "batch"], Role.SCIENTIFIC] = "none"


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
