"""How a net is trained: optimiser, learning-rate rule, stop rule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, Fraction, PositiveInt, Role, Since
from vgglab.config.names import one_of

ScheduleName = Literal["plateau", "step", "cosine"]

OPTIMIZERS: dict[str, str] = {
    "sgd": "SGD with momentum",
    "nesterov": "SGD with Nesterov's momentum (Sutskever et al. 2013)",
    "adamw": "Adam with decoupled weight decay (Loshchilov and Hutter 2019)",
}
"""Name -> description. How each is built and what it needs: ``training/optimisation.py``."""
OptimizerName = Annotated[str, one_of(OPTIMIZERS)]


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ScheduleConfig:
    """The learning-rate rule."""

    name: Annotated[ScheduleName, Role.NUISANCE] = "cosine"
    """``plateau``: drop when validation accuracy stops improving (paper, section 3.1)."""
    factor: Annotated[float, Field(gt=0, lt=1), Role.NUISANCE] = 0.1
    """``plateau`` and ``step``: factor of the learning rate at each drop."""
    drops: Annotated[PositiveInt, Role.NUISANCE] = 3
    """``plateau``: largest number of drops; the plateau after the last one ends the training."""
    patience: Annotated[PositiveInt, Role.NUISANCE] = 5
    """``plateau``: epochs without a better validation error before a drop."""
    step_epochs: Annotated[PositiveInt, Role.NUISANCE] = 30
    """``step``: epochs between drops."""
    warmup_epochs: Annotated[float, Field(ge=0), Role.NUISANCE] = 0.0
    """``cosine`` and ``step``: epochs over which the learning rate rises linearly from 0; no more
    than the training has. ``plateau`` has no warm-up: it is launched with 0 alone."""


def usual_scale(crop: int) -> int:
    """Training scale S, px, for a crop: in the paper's ratio, 256 for 224 (section 3.1)."""
    return crop * 8 // 7


@dataclass(config=STRICT, kw_only=True, frozen=True)
class RecipeConfig:
    """The minimisation of the cross entropy: optimiser, schedule, training images."""

    epochs: Annotated[PositiveInt, Role.NUISANCE] = 5
    batch_size: Annotated[int, Field(ge=2, le=65_536), Role.NUISANCE] = 64
    """Global: over all devices and accumulation steps."""
    optimizer: Annotated[OptimizerName, Role.NUISANCE, Since("2026-11-26", before="sgd")] = "sgd"
    """What updates the weights: ``sgd`` as in the paper, ``nesterov`` or ``adamw``."""
    learning_rate: Annotated[float, Field(gt=0, le=100), Role.NUISANCE] = 0.02
    momentum: Annotated[Fraction, Role.NUISANCE] = 0.9
    """``adamw``: its first beta; the second is 0.999."""
    weight_decay: Annotated[Fraction, Role.NUISANCE] = 5e-4
    """L2 penalty on every parameter, including biases and batch-norm scales, as in the paper.
    ``adamw``: share that each weight loses in a step, times the learning rate."""
    decay_biases_and_norms: Annotated[bool, Role.NUISANCE, Since("2026-11-27", before=True)] = True
    """``false``: ``weight_decay`` spares biases and batch norm's scales and shifts."""
    clip_gradients: Annotated[
        float, Field(ge=0, le=1e6), Role.NUISANCE, Since("2026-11-27", before=0.0)
    ] = 0.0
    """Largest L2 norm of a step's gradient, over all parameters together; a longer one is scaled
    down to it. 0: as it is."""
    label_smoothing: Annotated[Fraction, Role.NUISANCE, Since("2026-11-27", before=0.0)] = 0.0
    """Share of a training image's label that is spread evenly over all classes (Szegedy et al.
    2016, section 7). The validation loss is without it."""
    average_weights: Annotated[Fraction, Role.NUISANCE, Since("2026-11-27", before=0.0)] = 0.0
    """Validates and tests an exponential mean of the weights over the steps, of which each step
    leaves this share as it was (Polyak and Juditsky 1992): 0.99 averages about 100. 0: none."""
    scale_min: Annotated[int, Field(ge=0, le=4096), Role.NUISANCE] = 0
    """Smallest shorter side S that a training image is rescaled to, px; 0: the image as it is."""
    scale_max: Annotated[int, Field(ge=0, le=4096), Role.NUISANCE] = 0
    """Largest S; each image draws its own in each epoch. Equal to ``scale_min``: S is fixed. With a
    scale, a random crop of ``data.image_size`` px takes the place of ``data.shift``."""
    color_shift: Annotated[float, Field(ge=0, le=1), Role.NUISANCE] = 0.0
    """Standard deviation of the random shift of an image's colour along the principal components of
    the training set's (Krizhevsky et al. 2012, section 4.1: 0.1); 0: none."""
    normalise: Annotated[Literal["deviation", "mean"], Role.NUISANCE] = "deviation"
    """``mean``: subtract the training set's mean from pixel values of 0 to 255 (paper, section
    2.1). ``deviation``: divide by their standard deviation as well."""
    schedule: Annotated[ScheduleConfig, Role.NUISANCE] = Field(default_factory=ScheduleConfig)
    untrainable_after: Annotated[int, Field(ge=0, le=1_000_000), Role.FIXED] = 200
    """Steps that a net may sit on the plateau of ln K with no gradient that could move it, before
    it is stopped as ``untrainable`` (docs/trainability.md); 0: it is trained to the end."""
    select: Annotated[Literal["best", "last"], Role.FIXED] = "best"
    """Weights that are tested: those of the lowest validation error, or of the last epoch."""

    @property
    def test_scale(self) -> int:
        """Shorter side Q at which one image is tested, px: S, or the middle of its range (paper,
        section 4.1); 0: the image as it is."""
        return (self.scale_min + self.scale_max) // 2

    def __post_init__(self) -> None:
        if self.optimizer == "nesterov" and not self.momentum:
            raise ValueError(
                "optimizer = nesterov, momentum = 0: there is no momentum to look ahead by; set "
                "momentum above 0, or optimizer = sgd"
            )
        low, high = self.scale_min, self.scale_max
        if (low == 0) != (high == 0):
            raise ValueError(
                f"scale_min = {low}, scale_max = {high}: set both, equal for a fixed S, or neither"
            )
        if low > high:
            raise ValueError(f"scale_min = {low}, scale_max = {high}: scale_min is the smaller")
