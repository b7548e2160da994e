"""Optimisers and learning-rate schedules. Imports no torch before one of them is built."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, assert_never

from vgglab.config import Config, RecipeConfig, ScheduleConfig
from vgglab.config.recipe import ScheduleName

if TYPE_CHECKING:
    from torch.nn import Parameter
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LambdaLR

    Groups = Iterable[Parameter] | Iterable[dict[str, Any]]
    """Parameters, or groups of them with options of their own, as torch's optimisers take them."""


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """Everything that the rest of the harness has to know of an optimiser."""

    build: Callable[[RecipeConfig, Groups, bool], Optimizer]
    """From the recipe, the parameters (or groups that differ in their weight decay) and whether its
    update is fused into one kernel. Called by ``optimizer_of`` alone."""
    state_values: int
    """Values that it keeps for each parameter, and that a checkpoint holds."""
    step_bound: Callable[[RecipeConfig, float], float]
    """From the recipe and a layer's gradient, relative to the norm of its weights, to the most that
    a step can move the layer, relative to the same norm, if all gradients are like this one."""
    fused_skips_steps: bool
    """Whether the fused update leaves out a step where ``found_inf`` is 1 on the device."""


def _sgd(recipe: RecipeConfig, parameters: Groups, fused: bool) -> Optimizer:
    """SGD as torch and the paper have it: the learning rate multiplies the momentum buffer.

    Args:
        recipe: its ``optimizer`` says whether the momentum is Nesterov's.
        parameters: to be updated.
        fused: one kernel for all of them.
    """
    import torch

    return torch.optim.SGD(
        parameters,
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.optimizer == "nesterov",
        # Unfused, CPU SGD makes a temporary as large as the largest weight.
        fused=fused,
    )


def _sgd_step_bound(recipe: RecipeConfig, relative_gradient: float) -> float:
    """Bound of a step in the limit of equal gradients: the buffer is their geometric series.

    Nesterov's step is then the same: the gradient and ``momentum`` times the buffer are the buffer.
    """
    return recipe.learning_rate / (1 - recipe.momentum) * relative_gradient


def _adamw(recipe: RecipeConfig, parameters: Groups, fused: bool) -> Optimizer:
    """AdamW as torch has it.

    Args:
        recipe: its ``momentum`` is the first beta.
        parameters: to be updated.
        fused: one kernel for all of them.
    """
    import torch

    return torch.optim.AdamW(
        parameters,
        lr=recipe.learning_rate,
        betas=(recipe.momentum, 0.999),
        weight_decay=recipe.weight_decay,
        fused=fused,
    )


def _adamw_step_bound(recipe: RecipeConfig, relative_gradient: float) -> float:
    """No bound but where there is no gradient at all: a small one moves a weight as far as any."""
    return sys.float_info.max if relative_gradient else 0.0


_SGD = Optimiser(
    build=_sgd,
    state_values=1,
    step_bound=_sgd_step_bound,
    fused_skips_steps=True,
)

OPTIMISERS: dict[str, Optimiser] = {
    "sgd": _SGD,
    "nesterov": _SGD,
    "adamw": Optimiser(
        build=_adamw,
        state_values=2,
        step_bound=_adamw_step_bound,
        fused_skips_steps=False,  # torch's code reads found_inf; not tried on a GPU
    ),
}
"""A row for each name in ``config.recipe.OPTIMIZERS``."""


def optimiser_of(recipe: RecipeConfig) -> Optimiser:
    """The row of a recipe's optimiser."""
    return OPTIMISERS[recipe.optimizer]


def state_values(recipe: RecipeConfig) -> int:
    """Values kept for each parameter besides itself: the optimiser's, and its mean if any."""
    return optimiser_of(recipe).state_values + bool(recipe.average_weights)


def optimizer_of(recipe: RecipeConfig, parameters: Iterable[Parameter], fused: bool) -> Optimizer:
    """A recipe's optimiser of some parameters.

    Args:
        recipe: names it, and says which parameters its weight decay spares.
        parameters: to be updated.
        fused: one kernel for all of them.
    """
    build = optimiser_of(recipe).build
    if recipe.decay_biases_and_norms:
        return build(recipe, parameters, fused)
    # A bias, a scale and a shift have one axis; filters and matrices have more.
    found = list(parameters)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in found if p.ndim > 1]},
        {"params": [p for p in found if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return build(recipe, groups, fused)


def skips_steps_on_device(config: Config) -> bool:
    """Whether a step that is not finite can be left out without a look at it from the host."""
    trainer = config.trainer
    on_gpu = trainer.accelerator == "gpu"
    return on_gpu and trainer.fused_optimizer and optimiser_of(config.recipe).fused_skips_steps


SMALLEST_DROP = 1e-8
"""A learning rate is not lowered by less than this, as in torch's ``ReduceLROnPlateau``."""


class Plateau:
    """The paper's rule: divide when validation stops improving, a limited number of times.

    Section 3.1: "decreased by a factor of 10 when the validation set accuracy stopped improving
    ... in total 3 times"; the training ends at the plateau after the last drop. torch's
    ``ReduceLROnPlateau`` has no limit, and nothing public to add one with.
    """

    def __init__(self, optimizer: Optimizer | None, schedule: ScheduleConfig) -> None:
        """
        Args:
            optimizer: its learning rate is lowered; None: drops are counted alone.
            schedule: says how long a plateau is, and how many there are.
        """
        self._groups = optimizer.param_groups if optimizer is not None else []
        self._schedule = schedule
        self.best = math.inf
        """Lowest validation error so far, percent."""
        self.num_bad_epochs = 0
        """Epochs since the best one, or since the last drop."""
        self.drops_left = schedule.drops
        self.is_exhausted = False
        """The plateau after the last drop has been reached."""

    def step(self, error: float) -> None:
        """Take an epoch's validation error, percent, and lower the learning rate at a plateau."""
        if error < self.best:
            self.best, self.num_bad_epochs = error, 0
        else:
            self.num_bad_epochs += 1
        if self.num_bad_epochs < self._schedule.patience:
            return
        self.num_bad_epochs = 0
        if self.drops_left == 0:
            self.is_exhausted = True
            return
        self.drops_left -= 1
        for group in self._groups:
            lower = group["lr"] * self._schedule.factor
            if group["lr"] - lower > SMALLEST_DROP:
                group["lr"] = lower

    STATE = ("best", "num_bad_epochs", "drops_left", "is_exhausted")

    def state_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {name: getattr(self, name) for name in self.STATE}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's values; those of torch's own rule beside them are ignored."""
        for name in self.STATE:
            setattr(self, name, state[name])


def ends_at(schedule: ScheduleConfig, errors: Iterable[float]) -> bool:
    """Whether a training has ended after epochs of these validation errors, percent, however many
    more it might have had."""
    if schedule.name != "plateau":
        return False
    rule = Plateau(None, schedule)
    for error in errors:
        rule.step(error)
    return rule.is_exhausted


def multiplier(
    schedule: ScheduleConfig, *, steps_per_epoch: int, epochs: int
) -> Callable[[int], float]:
    """The factor of the initial learning rate at each step.

    Args:
        schedule: ``step`` or ``cosine``; the drops of ``plateau`` depend on validation errors
            instead of the step, and ``Plateau`` makes them.
        steps_per_epoch: updates of the weights in an epoch.
        epochs: epochs of the whole training.

    Returns:
        A function from the index of a step, from 0, to the factor.
    """
    warmup = schedule.warmup_epochs * steps_per_epoch
    total = epochs * steps_per_epoch

    def after_warmup(step: int, name: ScheduleName) -> float:
        match name:
            case "plateau":
                return 1.0
            case "step":
                drops = step // (schedule.step_epochs * steps_per_epoch)
                return float(schedule.factor**drops)
            case "cosine":
                progress = (step - warmup) / max(1, total - warmup)
                return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
            case _:
                assert_never(name)

    def at(step: int) -> float:
        return (step + 1) / (warmup + 1) if step < warmup else after_warmup(step, schedule.name)

    return at


def lambda_rule(
    optimizer: Optimizer, schedule: ScheduleConfig, *, steps_per_epoch: int, epochs: int
) -> LambdaLR:
    """A scheduler that is stepped after every update of the weights.

    Args:
        optimizer: the optimiser whose learning rate it sets.
        schedule: see ``multiplier``.
        steps_per_epoch: updates of the weights in an epoch.
        epochs: epochs of the whole training.
    """
    from torch.optim.lr_scheduler import LambdaLR

    at = multiplier(schedule, steps_per_epoch=steps_per_epoch, epochs=epochs)
    return LambdaLR(optimizer, at)
