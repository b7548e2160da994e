"""How a net is trained: optimiser, learning-rate rule, stop rule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, Fraction, PositiveInt, Role


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ScheduleConfig:
    """The learning-rate rule."""

    name: Annotated[Literal["plateau", "step", "cosine"], Role.NUISANCE] = "cosine"
    """``plateau``: drop when validation accuracy stops improving (paper, section 3.1)."""
    factor: Annotated[float, Field(gt=0, lt=1), Role.NUISANCE] = 0.1
    """``plateau`` and ``step``: what the learning rate is multiplied by at each drop."""
    drops: Annotated[PositiveInt, Role.NUISANCE] = 3
    """``plateau``: at most so many; a plateau after the last one ends the training."""
    patience: Annotated[PositiveInt, Role.NUISANCE] = 5
    """``plateau``: epochs without a better validation error before a drop."""
    step_epochs: Annotated[PositiveInt, Role.NUISANCE] = 30
    """``step``: epochs between drops."""
    warmup_epochs: Annotated[float, Field(ge=0), Role.NUISANCE] = 0.0
    """``cosine`` and ``step``: linear rise from 0 over so many epochs."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class RecipeConfig:
    """SGD with momentum on the cross entropy."""

    epochs: Annotated[PositiveInt, Role.NUISANCE] = 5
    batch_size: Annotated[int, Field(ge=2, le=65_536), Role.NUISANCE] = 64
    """Global: over all devices and accumulation steps."""
    learning_rate: Annotated[float, Field(gt=0, le=100), Role.NUISANCE] = 0.02
    momentum: Annotated[Fraction, Role.NUISANCE] = 0.9
    weight_decay: Annotated[Fraction, Role.NUISANCE] = 5e-4
    """L2 penalty on every parameter, biases and batch-norm scales included, as in the paper."""
    scale_min: Annotated[int, Field(ge=0, le=4096), Role.NUISANCE] = 0
    """Smallest shorter side S that a training image is rescaled to, px; 0: the image as it is."""
    scale_max: Annotated[int, Field(ge=0, le=4096), Role.NUISANCE] = 0
    """Largest S; each image draws its own in each epoch. Equal to ``scale_min``: S is fixed."""
    schedule: Annotated[ScheduleConfig, Role.NUISANCE] = Field(default_factory=ScheduleConfig)
    untrainable_after: Annotated[int, Field(ge=0, le=1_000_000), Role.FIXED] = 200
    """Steps that a net may sit on the plateau of ln K with no gradient that could move it, before
    it is stopped as ``untrainable`` (docs/trainability.md); 0: it is trained to the end."""
    select: Annotated[Literal["best", "last"], Role.FIXED] = "best"
    """Weights that are tested: of the lowest validation error, or of the last epoch."""
