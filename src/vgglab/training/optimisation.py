"""Learning-rate rules."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from vgglab.config import ScheduleConfig


class Plateau(ReduceLROnPlateau):
    """The paper's rule: divide when validation stops improving, a limited number of times.

    Section 3.1: "decreased by a factor of 10 when the validation set accuracy stopped improving
    ... in total 3 times"; the training ends at the plateau after the last drop.
    """

    def __init__(self, optimizer: Optimizer, schedule: ScheduleConfig) -> None:
        super().__init__(
            optimizer,
            mode="min",
            factor=schedule.factor,
            patience=schedule.patience - 1,  # torch tolerates so many bad epochs and drops after
            threshold=0.0,
            threshold_mode="abs",
        )
        self.drops_left = schedule.drops
        self.is_exhausted = False
        """The plateau after the last drop has been reached."""

    def _reduce_lr(self, epoch: int) -> None:
        if self.drops_left == 0:
            self.is_exhausted = True
            return
        self.drops_left -= 1
        super()._reduce_lr(epoch)


def multiplier(
    schedule: ScheduleConfig, *, steps_per_epoch: int, epochs: int
) -> Callable[[int], float]:
    """What the initial learning rate is multiplied by at each step, for ``step`` and ``cosine``."""
    warmup = schedule.warmup_epochs * steps_per_epoch
    total = epochs * steps_per_epoch

    def at(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if schedule.name == "step":
            drops = step // (schedule.step_epochs * steps_per_epoch)
            return float(schedule.factor**drops)
        progress = (step - warmup) / max(1, total - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return at


def lambda_rule(
    optimizer: Optimizer, schedule: ScheduleConfig, *, steps_per_epoch: int, epochs: int
) -> LambdaLR:
    """The scheduler of ``step`` and ``cosine``, stepped once an optimiser step."""
    at = multiplier(schedule, steps_per_epoch=steps_per_epoch, epochs=epochs)
    return LambdaLR(optimizer, at)
