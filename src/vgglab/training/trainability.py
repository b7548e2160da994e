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
from vgglab.models.vgg import Features
from vgglab.training.distributed import Group
from vgglab.training.meters import StepLoss
from vgglab.training.optimisation import optimiser_of
from vgglab.training.outcomes import Untrainable

LOOK_EVERY = 25
"""Steps between looks."""
AT_CHANCE = 0.995
"""A loss of at least so much of ln K is on the plateau."""
VANISHED = 0.01
"""Gradients are taken relative to the weights they move. One of less than this share of the last
layer's has vanished on its way down."""
STANDS_STILL = 0.01
"""A layer that can move by less than this share of its weights' norm in all the steps left."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen at one step."""

    step: int
    loss: float
    layer: int
    """Index of the weight layer with the smallest gradient relative to its weights."""
    smallest: float
    """That gradient: norm of the gradient over norm of the weights."""
    last: float
    """The same of the last layer, where the gradient starts."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a net counts as untrainable: all looks of ``after`` steps say so."""

    classes: int
    after: int
    """Steps."""
    step_bound: Callable[[float], float]
    """From a layer's relative gradient to the most that a step can move it at the schedule's
    largest learning rate; see ``Optimiser``."""
    steps: int
    """Of the whole training."""

    @property
    def looks(self) -> int:
        """That have to agree."""
        return max(2, math.ceil(self.after / LOOK_EVERY))

    def move(self, look: Look) -> float:
        """How far the layer could go in all steps left, in units of its weights' norm.

        A bound: every step at the largest learning rate and in the same direction.
        """
        return self.step_bound(look.smallest) * max(0, self.steps - look.step)

    def is_stuck(self, looks: Sequence[Look]) -> bool:
        """Whether the latest looks, together, show a net that nothing will move."""
        recent = looks[-self.looks :]
        if len(recent) < self.looks:
            return False
        if statistics.fmean(look.loss for look in recent) < AT_CHANCE * math.log(self.classes):
            return False
        if any(
            look.smallest > VANISHED * look.last or self.move(look) > STANDS_STILL
            for look in recent
        ):
            return False
        # A net that works itself off the plateau does so exponentially: its gradients grow.
        half = len(recent) // 2
        before = statistics.fmean(look.smallest for look in recent[:half])
        return statistics.fmean(look.smallest for look in recent[half:]) <= before


class TrainabilityWatch(pl.Callback):
    """Looks at the loss, at every layer's gradient and, once it has seen enough, at dead ReLUs.

    It reads what every process has in common after a step, so that all of them stop at the same
    one, and changes nothing: a net that trains has the same weights with it as without.
    """

    def __init__(self, config: Config, layers: Sequence[str], steps: int, group: Group) -> None:
        recipe = config.recipe
        self.rule = Rule(
            classes=config.data.classes,
            after=recipe.untrainable_after,
            step_bound=partial(optimiser_of(recipe).step_bound, recipe),
            steps=steps,
        )
        self._config, self._layers, self._group = config, layers, group
        self._looks: list[Look] = []
        self._loss = StepLoss()
        self._relative: list[float] = []
        """Gradient over weights of each layer at this step."""
        self._dead = DeadUnits(layers)

    def on_train_batch_start(
        self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, index: int
    ) -> None:
        if self._is_look(trainer.global_step + 1):
            self._dead.watch(module)

    def on_before_optimizer_step(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        if self._is_look(trainer.global_step + 1):
            self._relative = relative_gradients(module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        loss = self._loss.after(index, trainer.accumulate_grad_batches, outputs["loss"])
        if loss is None or not self._is_look(trainer.global_step):
            return
        dead = self._dead.shares()
        layer = min(range(len(self._relative)), key=self._relative.__getitem__)
        look = Look(
            step=trainer.global_step,
            loss=self._group.mean(float(loss)),
            layer=layer,
            smallest=self._relative[layer],
            last=self._relative[-1],
        )
        self._looks = [*self._looks, look][-self.rule.looks :]
        if self.rule.is_stuck(self._looks):
            raise self._untrainable(dead)

    def _is_look(self, step: int) -> bool:
        return step % LOOK_EVERY == 0

    def _untrainable(self, dead: dict[str, float]) -> Untrainable:
        look = self._looks[-1]
        loss = statistics.fmean(look.loss for look in self._looks)
        chance = math.log(self.rule.classes)
        most = max(dead, key=dead.__getitem__)
        reason = (
            f"on the plateau at step {look.step}: loss {loss:.3f} over {self.rule.after} steps, "
            f"ln {self.rule.classes} = {chance:.3f}; {self._gradient(look)}; "
            f"{dead[most]:.0%} dead ReLUs after {most}"
        )
        return Untrainable(
            reason,
            step=look.step,
            loss=loss,
            chance_loss=chance,
            relative_gradients=dict(zip(self._layers, self._relative, strict=True)),
            dead_relus=dead,
            remedies=remedies(self._config),
        )

    def _gradient(self, look: Look) -> str:
        name = self._layers[look.layer]
        if look.smallest == 0:
            return f"no gradient reaches {name}"
        return (
            f"the gradient of {name} could move its weights by {self.rule.move(look):.0e} of their "
            "norm in all the steps left"
        )

    def state_dict(self) -> dict[str, Any]:
        return {"looks": [dataclasses.asdict(look) for look in self._looks]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._looks = [Look(**look) for look in state_dict["looks"]]


def weight_layers(module: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """Convolutions and fully connected layers, from input to logits."""
    return [m for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]


def relative_gradients(module: nn.Module) -> list[float]:
    """Norm of the weights' gradient over norm of the weights, of each weight layer."""
    found = []
    for layer in weight_layers(module):
        assert layer.weight.grad is not None
        ratio = layer.weight.grad.norm() / layer.weight.detach().norm()
        found.append(ratio)
    values: list[float] = torch.stack(found).tolist()
    return values


def before_relus(module: nn.Module) -> list[nn.Module]:
    """What hands its output to each ReLU, or to the max-pooling that goes before it (``Features``):
    what is above 0 there is what the ReLU lets through, whichever of the two goes first."""
    return [
        before
        for part in module.modules()
        if isinstance(part, nn.Sequential)
        for before, after in itertools.pairwise(part)
        if isinstance(after, nn.ReLU)
    ]


class DeadUnits:
    """Share of units of each ReLU that answer no image of a step: 0 everywhere, no gradient."""

    def __init__(self, layers: Sequence[str]) -> None:
        self._layers = layers
        self._alive: dict[str, Tensor] = {}
        self._hooks: list[Any] = []
        self._compiled: list[tuple[Features, Any]] = []

    def watch(self, module: nn.Module) -> None:
        """Look at every forward until ``shares`` is asked."""
        if self._hooks:
            return  # another micro-batch of the same step
        for features in (m for m in module.modules() if isinstance(m, Features)):
            # Compiled code would pass its hooks by.
            self._compiled.append((features, features.compiled))
            features.compiled = None
        # strict=False: no ReLU after the last layer
        for name, before in zip(self._layers, before_relus(module), strict=False):
            self._hooks.append(before.register_forward_hook(self._counter(name)))

    def _counter(self, name: str) -> Any:
        def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
            # (N, C, H, W) or (N, units)
            alive = (output.detach() > 0).movedim(1, 0).flatten(1).any(dim=1)
            self._alive[name] = self._alive.get(name, alive) | alive

        return count

    def shares(self) -> dict[str, float]:
        """Layer before the ReLU -> share of its units that were dead; then look no more."""
        for hook in self._hooks:
            hook.remove()
        for features, compiled in self._compiled:
            features.compiled = compiled
        self._compiled.clear()
        found = {name: 1.0 - float(alive.float().mean()) for name, alive in self._alive.items()}
        self._hooks, self._alive = [], {}
        return found


def remedies(config: Config) -> list[str]:
    """What is known to help, as overrides that this config does not have yet."""
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
