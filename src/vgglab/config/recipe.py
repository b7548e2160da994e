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
    """Largest S; each image draws its own in each epoch. Equal to ``scale_min``: S is fixed. With a
    scale, a random crop of ``data.image_size`` px takes the place of ``data.shift``."""
    color_shift: Annotated[float, Field(ge=0, le=1), Role.NUISANCE] = 0.0
    """Standard deviation of the random shift of an image's colour along the principal components of
    the training set's (Krizhevsky et al. 2012, section 4.1: 0.1); 0: none."""
    normalise: Annotated[Literal["deviation", "mean"], Role.NUISANCE] = "deviation"
    """``mean``: the training set's mean is subtracted from pixel values of 0 to 255, and that is
    all (paper, section 2.1). ``deviation``: and they are divided by their standard deviation."""
    schedule: Annotated[ScheduleConfig, Role.NUISANCE] = Field(default_factory=ScheduleConfig)
    untrainable_after: Annotated[int, Field(ge=0, le=1_000_000), Role.FIXED] = 200
    """Steps that a net may sit on the plateau of ln K with no gradient that could move it, before
    it is stopped as ``untrainable`` (docs/trainability.md); 0: it is trained to the end."""
    select: Annotated[Literal["best", "last"], Role.FIXED] = "best"
    """Weights that are tested: of the lowest validation error, or of the last epoch."""

    @property
    def test_scale(self) -> int:
        """Shorter side Q at which one image is tested, px: S, or the middle of its range (paper,
        section 4.1); 0: the image as it is."""
        return (self.scale_min + self.scale_max) // 2

    def __post_init__(self) -> None:
        low, high = self.scale_min, self.scale_max
        if (low == 0) != (high == 0):
            raise ValueError(
                f"scale_min = {low}, scale_max = {high}: set both, equal for a fixed S, or neither"
            )
        if low > high:
            raise ValueError(f"scale_min = {low}, scale_max = {high}: scale_min is the smaller")
