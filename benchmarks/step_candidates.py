"""What benchmarks/step.py times: our training step, users' loops, and the convolutions alone."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from on_device import Step, wait_for
from torch import Tensor, nn

from vgglab.config.model import InitConfig, ModelConfig, NormConfig, NormName
from vgglab.config.nets import Conv
from vgglab.config.parse import parse
from vgglab.data.loaders import Batch
from vgglab.machine import computes_in_bf16
from vgglab.models.build import build
from vgglab.models.kernels.select import use_kernels
from vgglab.models.layers import map_size, scaled
from vgglab.training.allocator import keep_freed_memory, use_allocator
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
    kind: str = "cpu"
    """Of the device: ``cpu`` or ``cuda``."""
    norm: NormName = "none"

    @property
    def classes(self) -> int:
        """ImageNet's or CIFAR-10's."""
        return 1000 if self.size == 224 else 10

    @property
    def device(self) -> torch.device:
        """Where it is trained."""
        return torch.device(self.kind)


def batch_of(case: Case) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) and labels (N,)."""
    random = torch.Generator().manual_seed(0)
    images_nchw = torch.randn(case.batch, 3, case.size, case.size, generator=random)
    labels_n = torch.randint(case.classes, (case.batch,), generator=random)
    return images_nchw.to(case.device), labels_n.to(case.device)


def plain_net(case: Case) -> nn.Sequential:
    """The net as one writes it down; at width 1 and 224 px, torchvision's."""
    modules: list[nn.Module] = []
    channels = 3
    for layer in ModelConfig(name=case.net).net.layers:
        if isinstance(layer, Conv):
            out = scaled(layer.channels, case.width)
            modules.append(nn.Conv2d(channels, out, layer.kernel, padding=layer.padding))
            modules += [nn.BatchNorm2d(out)] if case.norm == "batch" else []
            modules.append(nn.ReLU(inplace=True))
            modules += [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)] if layer.lrn else []
            channels = out
        else:
            modules.append(nn.MaxPool2d(2, 2))
    inputs = channels * map_size(ModelConfig(name=case.net), case.size) ** 2
    modules.append(nn.Flatten())
    for hidden in ModelConfig().hidden:
        units = scaled(hidden, case.width)
        modules += [nn.Linear(inputs, units), nn.ReLU(inplace=True), nn.Dropout(0.5)]
        inputs = units
    return nn.Sequential(*modules, nn.Linear(inputs, case.classes))


class Form(NamedTuple):
    """What a loop of a user does beyond the step in float32."""

    autocast: torch.dtype | None = None
    channels_last: bool = False
    fused: bool = False
    reads_metrics: bool = True
    """Loss and accuracy of each batch are read, as in torchvision's references: the host waits."""
    compile: str | None = None
    """A mode of ``torch.compile`` for the whole net."""


FORMS = {
    "fp32": Form(),
    "bf16": Form(torch.bfloat16, channels_last=True),
    "timm": Form(torch.bfloat16, channels_last=True),
    "reference": Form(torch.float16),
    "plain": Form(torch.bfloat16, channels_last=True, fused=True, reads_metrics=False),
    "compiled": Form(torch.bfloat16, True, True, reads_metrics=False, compile="default"),
    "graphs": Form(torch.bfloat16, True, True, reads_metrics=False, compile="reduce-overhead"),
}
"""``reference`` is torchvision's with its ``--amp``: float16 and a scaled loss (bf16 on a CPU)."""


class Peer:
    """A training loop of a user: one of ``FORMS``."""

    def __init__(self, kind: str, threads: int | None = None) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._kind = kind
        self._case: Case | None = None
        self._step: Step = lambda: None

    def __call__(self, case: Case) -> None:
        if case != self._case:
            self._step = lambda: None  # frees the net before the next one is made
            self._case, self._step = case, self.made(case)
        for _ in range(case.steps):
            self._step()
        wait_for(case.device)

    def made(self, case: Case) -> Step:
        """One step, on a net and a batch of its own."""
        form, device = FORMS[self._kind], case.device
        net, optimizer = self._timm(case) if self._kind == "timm" else self._plain(case, form)
        images_nchw, labels_n = batch_of(case)
        low = form.autocast
        if low is torch.float16 and device.type == "cpu":
            low = torch.bfloat16
        scaler = torch.amp.GradScaler(device.type, enabled=low is torch.float16)
        if form.channels_last:
            net = net.to(memory_format=torch.channels_last)
            images_nchw = images_nchw.contiguous(memory_format=torch.channels_last)
        run: Callable[[Tensor], Tensor] = compiled(net, form.compile, device)
        criterion = nn.CrossEntropyLoss()

        def step() -> None:
            if form.compile == "reduce-overhead":
                torch.compiler.cudagraph_mark_step_begin()
            optimizer.zero_grad()
            with torch.autocast(device.type, low, enabled=low is not None):
                logits_nk = run(images_nchw)
                loss = criterion(logits_nk, labels_n)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            if form.reads_metrics:
                logits_nk.detach().topk(5).indices.eq(labels_n[:, None]).float().mean().item()
                loss.item()

        return step

    def _plain(self, case: Case, form: Form) -> tuple[nn.Module, torch.optim.Optimizer]:
        with case.device:
            net = plain_net(case)
        return net, torch.optim.SGD(
            net.parameters(),
            lr=LEARNING_RATE,
            momentum=MOMENTUM,
            weight_decay=WEIGHT_DECAY,
            fused=form.fused or None,
        )

    def _timm(self, case: Case) -> tuple[nn.Module, torch.optim.Optimizer]:
        timm: Any = importlib.import_module("timm")
        optim: Any = importlib.import_module("timm.optim")
        name = TIMM[case.net] + ("_bn" if case.norm == "batch" else "")
        net = timm.create_model(name, num_classes=case.classes).to(case.device)
        optimizer = optim.create_optimizer_v2(
            net, opt="sgd", lr=LEARNING_RATE, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        return net, optimizer


def compiled(net: nn.Module, mode: str | None, device: torch.device) -> Any:
    """The net by torch.compile; on a CPU without its compiler, which would take minutes.

    Args:
        net: to compile.
        mode: torch.compile's; None: the net as it is.
        device: where it computes.
    """
    if mode is None:
        return net
    if device.type == "cpu":
        return torch.compile(net, dynamic=False, backend="aot_eager")
    return torch.compile(net, dynamic=False, mode=mode)


class Ours:
    """The harness's step, with what ``trainer=auto`` takes on this machine."""

    def __init__(self, threads: int, **trainer: Any) -> None:
        """
        Args:
            threads: of the processor.
            trainer: further fields of the config's trainer.
        """
        self._trainer = {"threads": threads} | trainer
        self.used: dict[str, Any] = {}
        """The kernels of the latest net."""
        torch.set_num_threads(threads)
        self._steps: dict[Case, Step] = {}

    def __call__(self, case: Case) -> None:
        if case not in self._steps:
            if len(self._steps) > 1:
                self._steps.clear()
            self._steps[case] = self.made(case)
        for _ in range(case.steps):
            self._steps[case]()
        wait_for(case.device)

    def made(self, case: Case) -> Step:
        """One step, on a net and a batch of its own."""
        device = case.device
        recipe: dict[str, Any] = {"learning_rate": LEARNING_RATE, "schedule": {"name": "plateau"}}
        data = {"name": "cifar10"}
        if case.classes == 1000:
            data = {"name": "imagenet"}
            recipe |= {"scale_min": 256, "scale_max": 256}
        trainer = {"accelerator": "gpu" if device.type == "cuda" else "cpu"} | self._trainer
        config = resolve(parse({"recipe": recipe, "data": data, "trainer": trainer}))
        use_allocator(config.trainer)
        model = ModelConfig(name=case.net, width=case.width)
        net = build(
            model,
            NormConfig(name=case.norm),
            InitConfig(name="he"),
            classes=case.classes,
            image_size=case.size,
        )
        net = net.to(memory_format=torch.channels_last)
        module = Classifier(net, config, steps_per_epoch=1).to(device)
        self.used = use_kernels(net, config.trainer).as_dict()
        images_nchw, labels_n = batch_of(case)
        images_nchw = images_nchw.contiguous(memory_format=torch.channels_last)
        batch = Batch(images_nchw, labels_n, np.arange(case.batch), 0, case.batch)
        return bare_step_of(module, lambda: batch, device)


def bare_step_of(module: Classifier, next_batch: Callable[[], Batch], device: torch.device) -> Step:
    """The step of a run without Lightning and without callbacks.

    Args:
        module: on the device, with its kernels.
        next_batch: gives the batch of each step.
        device: where it computes.
    """
    optimizer = module.configure_optimizers()
    if isinstance(optimizer, dict):
        optimizer = optimizer["optimizer"]
    assert isinstance(optimizer, torch.optim.Optimizer)
    low = module.config.trainer.precision == "bf16"

    def step() -> None:
        batch = next_batch()
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            loss = module.training_step(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


class Convolutions:
    """Forward and backward of each convolution by itself, in the precision that a run has here, and
    channels_last."""

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
        wait_for(case.device)

    def _made(self, case: Case) -> list[Step]:
        made, side, channels = [], case.size, 3
        for layer in ModelConfig(name=case.net).net.layers:
            if isinstance(layer, Conv):
                out = scaled(layer.channels, case.width)
                made.append(convolution(case, channels, out, side, layer.kernel))
                channels = out
            side = layer.size(side)
        return made


def convolution(case: Case, channels: int, out: int, side: int, kernel: int) -> Step:
    """Both passes; the first layer's images need no gradient.

    Args:
        case: gives the batch and the device.
        channels: of its input.
        out: channels of its output.
        side: of its maps, px.
        kernel: side of its filters, px.
    """
    batch, device = case.batch, case.device
    is_low = device.type == "cuda" or computes_in_bf16()
    dtype = torch.bfloat16 if is_low else torch.float32

    def values(*shape: int) -> Tensor:
        drawn = torch.randn(shape, device=device).to(dtype)
        return drawn.contiguous(memory_format=torch.channels_last)

    images_nchw, gradient_nchw = values(batch, channels, side, side), values(batch, out, side, side)
    weight, bias = (
        values(out, channels, kernel, kernel),
        torch.zeros(out, dtype=dtype, device=device),
    )
    padding, needs = [kernel // 2] * 2, (channels != 3, True, True)

    @torch.no_grad()
    def both() -> None:
        nn.functional.conv2d(images_nchw, weight, bias, padding=padding)
        torch.ops.aten.convolution_backward(
            gradient_nchw, images_nchw, weight, [out], [1, 1], padding, [1, 1], False, [0, 0], 1,
            needs,
        )  # fmt: skip

    return both
