"""Ways to compute D's step that the harness does not take yet, each against its own step.

    python -m gpu.candidates --batch 128 --ways whole fused

``whole`` is the net compiled as a run compiles it, in a bare loop. ``no search`` leaves cuDNN's
search off. ``padded`` gives the first convolution 8 input channels, five of them zero. ``fused``
computes a convolution with its bias and ReLU by cuDNN's one kernel, which writes each map once
instead of twice. The largest difference of a logit from ``whole`` is shown beside the time.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Callable

import torch
from on_device import about, free_memory, peak_mib, say, step_times
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models.build import build
from vgglab.models.kernels.select import convolutions_with_relu
from vgglab.models.vgg import VGG, pools_before_relus

CHANNELS = 8


def fused(net: VGG) -> VGG:
    """The net as ``trainer.conv_kernel=cudnn`` computes it."""
    for convolution in convolutions_with_relu(net):
        convolution.takes_relu = True
    net.features.pool_first = False
    return net


class Padded(nn.Module):
    """A net whose first convolution is given zeros as further channels."""

    def __init__(self, net: VGG) -> None:
        super().__init__()
        self.net = net

    def forward(self, maps: Tensor) -> Tensor:
        """Logits of images."""
        first, *rest = pools_before_relus(list(self.net.features))
        assert isinstance(first, nn.Conv2d)
        more = (0, 0, 0, 0, 0, CHANNELS - maps.shape[1])
        maps = nn.functional.conv2d(pad(maps, more), pad(first.weight, more), first.bias, padding=1)
        for module in rest:
            maps = module(maps)
        logits: Tensor = self.net.classifier(maps.flatten(1))
        return logits


WAYS: dict[str, Callable[[VGG], nn.Module]] = {
    "whole": lambda net: net,
    "no search": lambda net: net,
    "padded": Padded,
    "fused": fused,
    "whole, again": lambda net: net,
}


def main() -> None:
    """Print a line a way."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true", help="narrow, 8 images of 32 px")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--backend", default="inductor")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    options = parser.parse_args()
    if options.small:
        options.batch, options.size, options.width = 8, 32, 1 / 16
    warnings.simplefilter("ignore")
    device = torch.device(options.device)
    model = ModelConfig(name="d", width=options.width, dropout=0.0)
    draw = torch.Generator(device).manual_seed(0)
    shape = (options.batch, 3, options.size, options.size)
    images = torch.randn(shape, generator=draw, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(1000, (options.batch,), generator=draw, device=device)
    expected = None
    for name in options.ways:
        way = WAYS[name]
        torch.backends.cudnn.benchmark = name != "no search"
        torch.compiler.reset()
        free_memory(device)
        built = build(model, NormConfig(), InitConfig(name="he"), classes=1000,
                      image_size=options.size, seed=0)  # fmt: skip
        net = built.to(device).to(memory_format=torch.channels_last)
        run = torch.compile(way(net), dynamic=False, backend=options.backend)
        optimizer = torch.optim.SGD(net.parameters(), 1e-4, 0.9, weight_decay=5e-4, fused=True)

        def step(
            run: Callable[[Tensor], Tensor] = run, optimizer: torch.optim.Optimizer = optimizer
        ) -> Tensor:
            with torch.autocast(device.type, torch.bfloat16):
                logits = run(images)
                loss = cross_entropy(logits.float(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return logits.detach().float()

        try:
            logits = step()
            expected = logits if expected is None else expected
            times = step_times(step, device, warm=5, steps=15)
        except Exception as error:
            say(row=name, batch=options.batch, error=about(error))
            continue
        milliseconds = statistics.median(times)
        say(row=name, batch=options.batch, ms=round(milliseconds, 2),
            img_s=round(1e3 * options.batch / milliseconds, 1), peak_mib=peak_mib(device),
            off=round(float((logits - expected).abs().max()), 5),
            largest=round(float(expected.abs().max()), 3))  # fmt: skip


if __name__ == "__main__":
    main()
