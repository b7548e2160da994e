"""Testing a net: ours, and what users would run instead; dense evaluation against 150 crops.

    python benchmarks/evaluation.py                      D at width 1, 224 px
    python benchmarks/evaluation.py --width 0.25 --net a
    python benchmarks/evaluation.py --frozen             also torch.compile with freezing (minutes)
    python benchmarks/evaluation.py --only dense         the second table alone
    python benchmarks/evaluation.py --device cuda        on a GPU

Every row of the first table has a process of its own and is asked for the centre crops of a batch.
The second is what ``protocol=multi_scale`` and ``protocol=multi_crop`` ask of the net for an image
of 4:3, at three test scales and with mirror images; reading and rescaling are left out.
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from typing import Any

import torch
from on_device import finished
from side_by_side import Worker, alternate, markdown, median, ratio

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.evaluation.predict import InferenceSettings, Predictor
from vgglab.evaluation.views import views_of
from vgglab.machine import computes_in_bf16
from vgglab.models.build import build
from vgglab.models.fully_convolutional import total_stride
from vgglab.models.vgg import VGG
from vgglab.training.allocator import keep_freed_memory

SIZE, SCALES = 224, (256, 384, 512)
ROWS = {
    "ours": "ours: packed bf16 weights",
    "autocast": "bf16 autocast, channels_last",
    "fp32": "fp32, as it comes",
    "frozen": "torch.compile, frozen bf16 weights",
}


def net_of(name: str, width: float) -> VGG:
    """An untrained net of 1,000 classes."""
    model = ModelConfig(name=name, width=width)
    init = InitConfig(name="he")
    return build(model, NormConfig(), init, classes=1000, image_size=SIZE).eval()


def settings_of(device: torch.device) -> InferenceSettings:
    """As the harness tests on this device."""
    on_gpu = device.type == "cuda"
    low = on_gpu or computes_in_bf16()
    return InferenceSettings(
        device,
        precision="bf16" if low else "fp32",
        memory_format=torch.channels_last,
        pack_weights=low and not on_gpu,
    )


def ours(net: VGG, device: torch.device) -> Predictor:
    """As the harness asks a net on this device."""
    settings = settings_of(device)
    return Predictor(net, lambda images_nchw: images_nchw.float() / 64 - 2, settings)


class Candidate:
    """One row of the first table; called, it scores a batch."""

    def __init__(
        self, kind: str, net: str, width: float, batch: int, threads: int, device: str
    ) -> None:
        torch.set_num_threads(threads)
        if kind == "ours":
            keep_freed_memory()
        random = torch.Generator().manual_seed(0)
        shape = (batch, 3, SIZE, SIZE)
        images_nchw = torch.randint(256, shape, generator=random, dtype=torch.uint8)
        where = torch.device(device)
        self._score = finished(_scorer(kind, net_of(net, width), images_nchw, where), where)
        begun = time.perf_counter()
        self._score()
        self._first = time.perf_counter() - begun

    def __call__(self, what: str) -> float:
        """Seconds of the first batch, with ``what`` = "first"; else it scores one more."""
        if what != "first":
            self._score()
        return self._first


def _scorer(
    kind: str, net: VGG, images_nchw: torch.Tensor, device: torch.device
) -> Callable[[], object]:
    if kind == "ours":
        asked, views = ours(net, device), [(image_chw,) for image_chw in images_nchw]
        return lambda: asked("center", views, mirrored=False)
    net, shown_nchw = net.to(device), images_nchw.to(device).float() / 64 - 2
    if kind != "fp32":
        net = net.to(memory_format=torch.channels_last)
        shown_nchw = shown_nchw.contiguous(memory_format=torch.channels_last)
    run: Any = net
    if kind == "frozen":
        import torch._inductor.config as settings

        settings.freezing = True
        run, shown_nchw = torch.compile(net.bfloat16()), shown_nchw.bfloat16()

    @torch.no_grad()
    def score() -> object:
        with torch.autocast(device.type, torch.bfloat16, enabled=kind == "autocast"):
            return run(shown_nchw).float().softmax(1)

    return score


def center_table(options: argparse.Namespace) -> str:
    """Images a second by row, and ours over it."""
    names = [name for name in ROWS if name != "frozen" or options.frozen]
    arguments = options.net, options.width, options.batch, options.threads, options.device
    workers = {name: Worker(Candidate, name, *arguments) for name in names}
    first = {name: worker("first") for name, worker in workers.items()}
    ready = {name: functools.partial(worker, "") for name, worker in workers.items()}
    times = alternate(ready, options.rounds)
    for worker in workers.values():
        worker.close()
    rows = [
        [
            ROWS[name],
            options.batch / median(times, name),
            ratio(times, name, "ours"),
            first[name],
        ]
        for name in names
    ]
    return markdown(["centre crops", "img/s", "ours over it", "first batch, s"], rows)


def dense_table(options: argparse.Namespace) -> str:
    """Seconds an image, densely and on 150 crops."""
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    net = net_of(options.net, options.width)
    asked, stride = ours(net, torch.device(options.device)), total_stride(net)
    image_chw = torch.randint(256, (3, 512, 683), dtype=torch.uint8)
    views = views_of(0, image_chw, ("dense", "crops"), SCALES, SIZE, stride)
    times = alternate(
        {
            "dense": lambda: asked("dense", [views.of_kind["dense"]], mirrored=True),
            "crops": lambda: asked("crops", [views.of_kind["crops"]], mirrored=True),
        },
        options.rounds,
    )
    crops = 2 * len(views.of_kind["crops"])
    rows = [
        ["dense", median(times, "dense"), 1.0],
        [f"{crops} crops", median(times, "crops"), ratio(times, "crops", "dense")],
    ]
    return markdown([f"at {len(SCALES)} scales, mirrored", "s an image", "x dense"], rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--net", default="d", choices=["a", "a_lrn", "b", "c", "d", "e"])
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--only", choices=["center", "dense"])
    options = parser.parse_args()
    print(f"{options.net}, width {options.width:g}, {SIZE} px, {options.threads} threads\n")
    if options.only != "dense":
        print(center_table(options), end="\n\n")
    if options.only != "center":
        print(dense_table(options))


if __name__ == "__main__":
    main()
