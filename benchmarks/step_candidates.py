"""What benchmarks/step.py times: our training step, users' loops, and the convolutions alone."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.config.nets import NETS, Conv
from vgglab.config.parse import parse
from vgglab.data.loaders import Batch
from vgglab.models.build import build
from vgglab.models.kernels.select import use_kernels
from vgglab.models.layers import HIDDEN_UNITS, map_size, scaled
from vgglab.training.allocator import keep_freed_memory
from vgglab.training.module import Classifier
from vgglab.workflow.resolve import resolve

TIMM = {"a": "vgg11", "b": "vgg13", "d": "vgg16", "e": "vgg19"}
LEARNING_RATE, MOMENTUM, WEIGHT_DECAY = 0.001, 0.9, 5e-4


class Case(NamedTuple):
    """What is trained."""

    net: str
    width: float
    size: int
    """Of the images, px."""
    batch: int
    steps: int
    """Timed together: one of a narrow net is too short for a clock."""

    @property
    def classes(self) -> int:
        """ImageNet's or CIFAR-10's."""
        return 1000 if self.size == 224 else 10


def batch_of(case: Case) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) and labels (N,)."""
    random = torch.Generator().manual_seed(0)
    images_nchw = torch.randn(case.batch, 3, case.size, case.size, generator=random)
    return images_nchw, torch.randint(case.classes, (case.batch,), generator=random)


def plain_net(case: Case) -> nn.Sequential:
    """The net as one writes it down; at width 1 and 224 px, torchvision's."""
    modules: list[nn.Module] = []
    channels = 3
    for layer in NETS[case.net].layers:
        if isinstance(layer, Conv):
            out = scaled(layer.channels, case.width)
            modules += [
                nn.Conv2d(channels, out, layer.kernel, padding=layer.padding),
                nn.ReLU(inplace=True),
            ]
            modules += [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)] if layer.lrn else []
            channels = out
        else:
            modules.append(nn.MaxPool2d(2, 2))
    inputs = channels * map_size(case.net, case.size) ** 2
    modules.append(nn.Flatten())
    for hidden in HIDDEN_UNITS:
        units = scaled(hidden, case.width)
        modules += [nn.Linear(inputs, units), nn.ReLU(inplace=True), nn.Dropout(0.5)]
        inputs = units
    return nn.Sequential(*modules, nn.Linear(inputs, case.classes))


Step = Callable[[], object]


class Peer:
    """A training loop of a user: ``fp32``, ``bf16`` or ``timm``."""

    def __init__(self, kind: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._kind = kind
        self._case: Case | None = None
        self._step: Step = lambda: None

    def __call__(self, case: Case) -> None:
        if case != self._case:
            self._step = lambda: None  # frees the net before the next one is made
            self._case, self._step = case, self._made(case)
        for _ in range(case.steps):
            self._step()

    def _made(self, case: Case) -> Step:
        net, optimizer = self._timm(case) if self._kind == "timm" else self._plain(case)
        images_nchw, labels_n = batch_of(case)
        low = self._kind != "fp32"
        if low:
            net = net.to(memory_format=torch.channels_last)
            images_nchw = images_nchw.contiguous(memory_format=torch.channels_last)
        criterion = nn.CrossEntropyLoss()

        def step() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                logits_nk = net(images_nchw)
                loss = criterion(logits_nk, labels_n)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            logits_nk.detach().topk(5).indices.eq(labels_n[:, None]).float().mean().item()
            loss.item()

        return step

    def _plain(self, case: Case) -> tuple[nn.Module, torch.optim.Optimizer]:
        net = plain_net(case)
        return net, torch.optim.SGD(
            net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )

    def _timm(self, case: Case) -> tuple[nn.Module, torch.optim.Optimizer]:
        timm: Any = importlib.import_module("timm")
        optim: Any = importlib.import_module("timm.optim")
        net = timm.create_model(TIMM[case.net], num_classes=case.classes)
        optimizer = optim.create_optimizer_v2(
            net, opt="sgd", lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        return net, optimizer


class Ours:
    """The harness's step, with what ``trainer=auto`` takes on this machine."""

    def __init__(self, threads: int) -> None:
        keep_freed_memory()
        self._threads = threads
        torch.set_num_threads(threads)
        self._steps: dict[Case, Step] = {}

    def __call__(self, case: Case) -> None:
        if case not in self._steps:
            if len(self._steps) > 1:
                self._steps.clear()
            self._steps[case] = self._made(case)
        for _ in range(case.steps):
            self._steps[case]()

    def _made(self, case: Case) -> Step:
        recipe: dict[str, Any] = {"learning_rate": LEARNING_RATE, "schedule": {"name": "plateau"}}
        data = {"name": "cifar10"}
        if case.classes == 1000:
            data = {"name": "imagenet"}
            recipe |= {"scale_min": 256, "scale_max": 256}
        trainer = {"accelerator": "cpu", "threads": self._threads}
        config = resolve(parse({"recipe": recipe, "data": data, "trainer": trainer}))
        model = ModelConfig(name=case.net, width=case.width)
        net = build(
            model,
            NormConfig(),
            InitConfig(name="he"),
            classes=case.classes,
            image_size=case.size,
        )
        use_kernels(net, config.trainer)
        net = net.to(memory_format=torch.channels_last)
        module = Classifier(net, config, steps_per_epoch=1)
        optimizer = module.configure_optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer)
        images_nchw, labels_n = batch_of(case)
        images_nchw = images_nchw.contiguous(memory_format=torch.channels_last)
        batch = Batch(images_nchw, labels_n, np.arange(case.batch), 0, case.batch)
        low = config.trainer.precision == "bf16"

        def step() -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                loss = module.training_step(batch, 0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return step


class Convolutions:
    """Forward and backward of each convolution by itself, in bf16 and channels_last."""

    def __init__(self, threads: int) -> None:
        keep_freed_memory()
        torch.set_num_threads(threads)
        self._case: Case | None = None
        self._layers: list[Step] = []

    def __call__(self, case: Case) -> None:
        if case != self._case:
            self._case, self._layers = case, self._made(case)
        for _ in range(case.steps):
            for layer in self._layers:
                layer()

    def _made(self, case: Case) -> list[Step]:
        made, side, channels = [], case.size, 3
        for layer in NETS[case.net].layers:
            if isinstance(layer, Conv):
                out = scaled(layer.channels, case.width)
                made.append(convolution(case.batch, channels, out, side, layer.kernel))
                channels = out
            side = layer.size(side)
        return made


def convolution(batch: int, channels: int, out: int, side: int, kernel: int) -> Step:
    """Both passes; the first layer's images need no gradient."""

    def values(*shape: int) -> Tensor:
        return torch.randn(shape).bfloat16().contiguous(memory_format=torch.channels_last)

    images_nchw, gradient_nchw = values(batch, channels, side, side), values(batch, out, side, side)
    weight, bias = values(out, channels, kernel, kernel), torch.zeros(out, dtype=torch.bfloat16)
    padding, needs = [kernel // 2] * 2, (channels != 3, True, True)

    @torch.no_grad()
    def both() -> None:
        nn.functional.conv2d(images_nchw, weight, bias, padding=padding)
        torch.ops.aten.convolution_backward(
            gradient_nchw, images_nchw, weight, [out], [1, 1], padding, [1, 1], False, [0, 0], 1,
            needs,
        )  # fmt: skip

    return both
