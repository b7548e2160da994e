"""Recognise, in its first hundreds of steps, a net that will not train: it sits on the plateau.

A plain deep net can answer every image alike: the loss is then ln K, the entropy of a guess among K
classes. Some nets leave this plateau late, so that the loss alone tells nothing. What tells is
whether a gradient reaches every layer: with weights that are too small it shrinks from layer to
layer, and where all units of a layer are dead it is exactly zero. docs/trainability.md has the
runs that the rule was chosen from and its errors.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from vgglab.config import Config
from vgglab.data.loaders import Batch
from vgglab.models.dropout import dropout_layers, keyed_dropout
from vgglab.models.vgg import VGG, Features
from vgglab.training.distributed import ProcessGroup
from vgglab.training.meters import StepLoss
from vgglab.training.optimisation import optimiser_of
from vgglab.training.outcomes import Untrainable

OBSERVE_EVERY = 25
"""Steps between observations."""
AT_CHANCE = 0.995
"""Least loss on the plateau, as a share of ln K."""
VANISHED = 0.01
"""Largest gradient that counts as vanished, as a share of the last layer's. Gradients are taken
relative to the weights that they move."""
STANDS_STILL = 0.01
"""Largest move of a layer that stands still: a share of its weights' norm, in all steps left."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """Loss and gradients at one step."""

    step: int
    loss: float
    layer: int
    """Index of the weight layer with the smallest gradient relative to its weights."""
    smallest: float
    """The gradient of ``layer``: its norm over the norm of the weights."""
    last: float
    """The relative gradient of the last layer, where backpropagation starts."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The rule by which a net is untrainable: all observations of ``after`` steps agree."""

    classes: int
    after: int
    """Steps on the plateau before the net is stopped."""
    step_bound: Callable[[float], float]
    """From a layer's relative gradient to the most that a step can move it at the schedule's
    largest learning rate; see ``Optimiser``."""
    steps: int
    """Steps of the whole training."""

    @property
    def window(self) -> int:
        """Consecutive observations that must agree."""
        return max(2, math.ceil(self.after / OBSERVE_EVERY))

    def move(self, seen: Observation) -> float:
        """Bound of the layer's move in all steps left, in units of its weights' norm.

        Every step is taken at the largest learning rate and in the same direction.
        """
        return self.step_bound(seen.smallest) * max(0, self.steps - seen.step)

    def is_stuck(self, observations: Sequence[Observation]) -> bool:
        """Whether the latest observations together show a net that nothing will move."""
        recent = observations[-self.window :]
        if len(recent) < self.window:
            return False
        if statistics.fmean(seen.loss for seen in recent) < AT_CHANCE * math.log(self.classes):
            return False
        if any(
            seen.smallest > VANISHED * seen.last or self.move(seen) > STANDS_STILL
            for seen in recent
        ):
            return False
        # A net that works itself off the plateau does so exponentially: its gradients grow.
        half = len(recent) // 2
        before = statistics.fmean(seen.smallest for seen in recent[:half])
        return statistics.fmean(seen.smallest for seen in recent[half:]) <= before


class TrainabilityWatch(pl.Callback):
    """Observes loss, gradients and dead ReLUs, and stops a net that will not train.

    It reads values that all processes share after a step, so that all of them stop at the same
    one, and changes nothing: a net that trains has the same weights with it as without.
    """

    def __init__(
        self, config: Config, layers: Sequence[str], steps: int, group: ProcessGroup
    ) -> None:
        """
        Args:
            config: the run's config.
            layers: names of the weight layers, from input to logits.
            steps: steps of the whole training.
            group: the processes of the run.
        """
        recipe = config.recipe
        self.rule = Rule(
            classes=config.data.classes,
            after=recipe.untrainable_after,
            step_bound=partial(optimiser_of(recipe).step_bound, recipe),
            steps=steps,
        )
        self._config, self._layers, self._group = config, layers, group
        self._observations: list[Observation] = []
        self._loss = StepLoss()
        self._relative: list[float] = []
        """Relative gradient of each layer at this step."""
        self._dead = DeadUnits(layers)

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int
    ) -> None:
        """Count dead units in the forwards of a step to observe.

        Args:
            trainer: Lightning's.
            module: the classifier.
            batch: a micro-batch of the step.
            index: its index within the epoch, from 0.
        """
        if not self._is_observed(trainer.global_step + 1):
            return
        self._dead.watch(module)
        if isinstance(module.net, VGG) and module.net.compiled is not None:
            # The compiled step would pass the hooks by; it stays as it is in every other step.
            with trainer.precision_plugin.forward_context():
                look_through(module.net, batch)
            self._dead.rest()

    def on_before_optimizer_step(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        if self._is_observed(trainer.global_step + 1):
            self._relative = relative_gradients(module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Observe the step if it is one to observe.

        Args:
            trainer: Lightning's.
            module: the classifier.
            outputs: the loss of the micro-batch, under ``loss``.
            batch: the micro-batch.
            index: its index within the epoch, from 0.

        Raises:
            Untrainable: the observations agree that nothing will move the net.
        """
        loss = self._loss.after(index, trainer.accumulate_grad_batches, outputs["loss"])
        if loss is None or not self._is_observed(trainer.global_step):
            return
        dead = self._dead.shares()
        layer = min(range(len(self._relative)), key=self._relative.__getitem__)
        seen = Observation(
            step=trainer.global_step,
            loss=self._group.mean(float(loss)),
            layer=layer,
            smallest=self._relative[layer],
            last=self._relative[-1],
        )
        self._observations = [*self._observations, seen][-self.rule.window :]
        if self.rule.is_stuck(self._observations):
            raise self._untrainable(dead)

    def _is_observed(self, step: int) -> bool:
        return step % OBSERVE_EVERY == 0

    def _untrainable(self, dead: dict[str, float]) -> Untrainable:
        latest = self._observations[-1]
        loss = statistics.fmean(seen.loss for seen in self._observations)
        chance = math.log(self.rule.classes)
        reason = (
            f"on the plateau at step {latest.step}: loss {loss:.3f} over {self.rule.after} steps, "
            f"ln {self.rule.classes} = {chance:.3f}; {self._gradient(latest)}"
        )
        if dead:  # none where the activation is GELU or SiLU
            most = max(dead, key=dead.__getitem__)
            reason += f"; {dead[most]:.0%} dead ReLUs after {most}"
        return Untrainable(
            reason,
            step=latest.step,
            loss=loss,
            chance_loss=chance,
            relative_gradients=dict(zip(self._layers, self._relative, strict=True)),
            dead_relus=dead,
            remedies=remedies(self._config),
        )

    def _gradient(self, seen: Observation) -> str:
        name = self._layers[seen.layer]
        if seen.smallest == 0:
            return f"no gradient reaches {name}"
        return (
            f"the gradient of {name} could move its weights by {self.rule.move(seen):.0e} of their "
            "norm in all the steps left"
        )

    def state_dict(self) -> dict[str, Any]:
        """The latest observations, for a checkpoint."""
        return {"looks": [dataclasses.asdict(seen) for seen in self._observations]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the observations of a checkpoint."""
        self._observations = [Observation(**seen) for seen in state_dict["looks"]]


def weight_layers(module: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """Convolutions and fully connected layers, from input to logits."""
    return [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def relative_gradients(module: nn.Module) -> list[float]:
    """Norm of the gradient over norm of the weights, for each weight layer."""
    found = []
    for layer in weight_layers(module):
        assert layer.weight.grad is not None
        ratio = layer.weight.grad.float().norm() / layer.weight.detach().norm()
        found.append(ratio)
    values: list[float] = torch.stack(found).tolist()
    return values


def before_relus(module: nn.Module) -> list[nn.Module | None]:
    """The module before each ReLU, or before the max-pooling in front of it (``Features``).

    A value above 0 there passes the ReLU, whichever of the two goes first. None where a shortcut is
    added in between, so that the module's output is not what the ReLU gets.
    """
    found: list[nn.Module | None] = []
    for part in module.modules():
        added = set(part.shortcuts.values()) if isinstance(part, Features) else set()
        if isinstance(part, nn.Sequential):
            found += [
                None if index in added else before
                for index, (before, after) in enumerate(itertools.pairwise(part), start=1)
                if isinstance(after, nn.ReLU)
            ]
    return found


@torch.no_grad()
def look_through(net: VGG, batch: Batch) -> None:
    """Compute a batch's logits module by module, for hooks, and leave no trace in the net."""
    before = [(buffer, buffer.clone()) for buffer in net.buffers()]
    with keyed_dropout(dropout_layers(net), batch.draws["dropout"]):
        net.eager(batch.images_nchw)
    for buffer, value in before:  # batch norm's running moments
        buffer.copy_(value)


class DeadUnits:
    """Share of each ReLU's units that are 0 for every image of a step, and so have no gradient."""

    def __init__(self, layers: Sequence[str]) -> None:
        self._layers = layers
        self._alive: dict[str, Tensor] = {}
        self._hooks: list[Any] = []

    def watch(self, module: nn.Module) -> None:
        """Count active units in every forward until ``rest`` or ``shares`` is called."""
        if self._hooks:
            return  # another micro-batch of the same step
        # strict=False: no ReLU after the last layer
        for name, before in zip(self._layers, before_relus(module), strict=False):
            if before is not None:
                self._hooks.append(before.register_forward_hook(self._counter(name)))

    def _counter(self, name: str) -> Any:
        def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
            # (N, C, H, W) or (N, units)
            alive = (output.detach() > 0).movedim(1, 0).flatten(1).any(dim=1)
            self._alive[name] = self._alive.get(name, alive) | alive

        return count

    def shares(self) -> dict[str, float]:
        """Layer before the ReLU -> share of its units that were dead; stops counting."""
        self.rest()
        found = {name: 1.0 - float(alive.float().mean()) for name, alive in self._alive.items()}
        self._alive = {}
        return found

    def rest(self) -> None:
        """Stop counting; what has been counted stays."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []


def remedies(config: Config) -> list[str]:
    """Remedies known to help, as overrides that this config does not have yet."""
    init: str = config.init.name
    known = []
    if init not in ("he", "glorot"):
        known.append("init=he or init=glorot: weights that keep the signal's size")
    elif init == "glorot":
        known.append("init=he: larger weights, made for ReLUs")
    if config.norm.name == "none":
        known.append("norm=batch: the signal's size no longer depends on depth")
    if init != "pretrained_a":
        known.append("init=pretrained_a: start from the layers of a trained A (paper, section 3.1)")
    if init not in ("gaussian", "glorot"):  # whose weights are too small at any rate
        rate = config.recipe.learning_rate / 4
        known.append(f"recipe.learning_rate={rate:g}: units die in steps that are too large")
    return known
