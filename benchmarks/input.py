"""Reading photographs: images a second and core, ours beside torchvision's.

    python benchmarks/input.py             photographs at the paper's scales, then images in memory
    python benchmarks/input.py memory      the second table alone

The photographs are 500 x 375 px windows of the two that scikit-learn ships, as JPEG. Each candidate
makes the batches that a net of 224 px is trained on, normalised float32, in one process with one
thread: the loader's own process, so that a second of it is a second of a core. The table in memory
holds the loader of the digits against a training step of net A at width 1/4, 32 px.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from side_by_side import alternate, markdown, median, ratio
from torch import Tensor

from vgglab.config import Config
from vgglab.config.parse import parse
from vgglab.data.device import CPU
from vgglab.data.listing import list_images
from vgglab.data.loaders import Batch
from vgglab.data.module import ImageData
from vgglab.data.normalise import Normalisation
from vgglab.data.smaller_copy import SmallerCopy
from vgglab.data.splits import ImageSet, Splits
from vgglab.models.build import build
from vgglab.workflow.resolve import resolve

SMALLEST, LARGEST, CROP = 256, 512, 224
"""Shorter sides S, and the crop, px (paper, section 3.1)."""
BATCH, CLASSES = 32, 2
PEER = "torchvision v2 + Pillow"


def write_photographs(root: Path, count: int, width: int = 500, height: int = 375) -> None:
    """``root/<class>/<number>.jpg``: windows of real photographs, enlarged to their size."""
    from sklearn.datasets import load_sample_images

    draw = np.random.default_rng(0)
    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    for number in range(count):
        photograph = photographs[number % CLASSES]
        share = draw.uniform(0.75, 1.0)
        wide = share * min(photograph.width, photograph.height * width / height)
        high = wide * height / width
        left = draw.uniform(0, photograph.width - wide)
        top = draw.uniform(0, photograph.height - high)
        box = (left, top, left + wide, top + high)
        folder = root / str(number % CLASSES)
        folder.mkdir(parents=True, exist_ok=True)
        image = photograph.resize((width, height), Image.Resampling.BICUBIC, box)
        image.save(folder / f"{number:05d}.jpg", quality=92)


def config_of(root: Path, scales: tuple[int, int], **data: Any) -> Config:
    """Training on the photographs of a folder at these scales, with the paper's colour shift."""
    folder = {"name": "folder", "root": str(root), "image_size": CROP, "classes": CLASSES}
    return resolve(
        parse(
            {
                "data": folder | {"test_fraction": 0.05, "validation_fraction": 0.05} | data,
                "recipe": {
                    "scale_min": scales[0],
                    "scale_max": scales[1],
                    "color_shift": 0.1,
                    "normalise": "mean",
                    "batch_size": BATCH,
                },
                "protocol": {"top_k": [1]},
                "trainer": {"accelerator": "cpu", "workers": 0},
                "paths": {"data": str(root.parent / "datasets")},
            }
        )
    )


def in_training(data: ImageData) -> ImageData:
    """The data module as a trainer has it at the start of an epoch."""
    progress = SimpleNamespace(current=SimpleNamespace(processed=0, ready=0))
    loop = SimpleNamespace(
        epoch_progress=progress, epoch_loop=SimpleNamespace(batch_progress=progress)
    )
    trainer: Any = SimpleNamespace(training=True, fit_loop=loop)
    data.trainer = trainer
    return data


def shown(data: ImageData, batch: Batch) -> Batch:
    """A batch from the loader as the net is handed it, on a CPU."""
    return data.on_after_batch_transfer(data.transfer_batch_to_device(batch, CPU, 0), 0)


def epoch_of(data: ImageData) -> Callable[[], int]:
    """All batches of an epoch with all that happens to them before the net; counts the images."""
    loader = data.train_dataloader()
    return lambda: sum(len(shown(data, batch).images_nchw) for batch in loader)


def ours(config: Config) -> Callable[[], int]:
    """This harness's loader."""
    return epoch_of(in_training(ImageData(config, torch.channels_last)))


def theirs(root: Path, scales: tuple[int, int]) -> Callable[[], int]:
    """The same by torchvision's transforms, as its users write them."""
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    axes_cc = torch.tensor([[0.2, 0.03, 0.004], [0.2, 0.0, -0.008], [0.2, -0.03, 0.004]])

    def shift_colours(image_chw: Tensor) -> Tensor:
        return image_chw + (axes_cc @ (0.1 * torch.randn(3)))[:, None, None]

    smallest, largest = scales
    scale: Any = v2.Resize(smallest)
    if largest > smallest:
        scale = v2.RandomResize(smallest, largest + 1)
    transform = v2.Compose(
        [
            scale,
            v2.RandomCrop(CROP),
            v2.RandomHorizontalFlip(),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Lambda(shift_colours),
            v2.Normalize((0.485, 0.456, 0.406), (1.0, 1.0, 1.0)),
        ]
    )
    folder = ImageFolder(str(root), transform)
    loader = torch.utils.data.DataLoader(folder, BATCH, shuffle=True)

    def epoch() -> int:
        return sum(len(images_nchw) for images_nchw, _ in loader)

    return epoch


def copied(root: Path, folder: Path, shorter_side: int, *, compressed: bool) -> None:
    """What ``task=prepare prepare.copy=`` writes; or the same images without compression."""
    listing = list_images(root)
    files = listing.file_set(np.arange(len(listing.names_n)))
    copy = SmallerCopy(folder, shorter_side, quality=95)
    for index in range(len(files)):
        if compressed:
            copy.write(files, index)
            continue
        image = Image.fromarray(files.pixels_hwc(index))
        image.thumbnail(_within(image.size, shorter_side), Image.Resampling.BILINEAR)
        target = copy.path(files, index).with_suffix(".ppm")
        target.parent.mkdir(parents=True, exist_ok=True)
        image.save(target)


def _within(size: tuple[int, int], shorter_side: int) -> tuple[int, int]:
    share = min(1.0, shorter_side / min(size))
    return round(size[0] * share), round(size[1] * share)


def megabytes(root: Path) -> float:
    """Of a thousand images."""
    sizes = [path.stat().st_size for path in root.glob("*/*") if path.is_file()]
    return 1e3 * sum(sizes) / len(sizes) / 1e6


SETTINGS = (
    ((500, 375), (SMALLEST, LARGEST)),
    ((500, 375), (SMALLEST, SMALLEST)),
    ((1200, 900), (SMALLEST, LARGEST)),
)
"""Size of the photographs and range of S, px."""


def photograph_table(work: Path, images: int, rounds: int) -> str:
    """Markdown: every way to read photographs of two sizes, at a range of scales and at one."""
    rows: list[tuple[str, str, float, float, float]] = []
    for size, scales in SETTINGS:
        rows += _photograph_rows(work, images, rounds, size, scales)
    headings = ["images", "read by", "images/s a core", f"x {PEER}", "MB a thousand"]
    return markdown(headings, rows)


def _photograph_rows(
    work: Path, images: int, rounds: int, size: tuple[int, int], scales: tuple[int, int]
) -> list[tuple[str, str, float, float, float]]:
    root = work / str(size[0])
    if not root.exists():
        write_photographs(root, images, *size)
    side = scales[1]  # as task=prepare chooses it: S where it is fixed, else its largest
    folders = {"originals": root}
    for name in ("JPEG copy", "uncompressed copy") if side < size[1] else ():
        folder = work / f"{size[0]}-{side}-{name[0]}"
        copied(root, folder, side, compressed=name == "JPEG copy")
        folders[f"{name}, shorter side {side}"] = folder
    candidates = {PEER: theirs(root, scales)}
    candidates |= {name: ours(config_of(folder, scales)) for name, folder in folders.items()}
    candidates["originals, data.decoder=pillow"] = ours(config_of(root, scales, decoder="pillow"))
    counts = {name: epoch() for name, epoch in candidates.items()}  # ours keep some to validate
    times = alternate(candidates, rounds, warm_up=0)
    setting = f"{size[0]} x {size[1]}, S = " + "-".join(map(str, sorted(set(scales))))
    return [
        (
            setting,
            name,
            counts[name] / median(times, name),
            ratio(times, PEER, name) * counts[name] / counts[PEER],
            megabytes(folders.get(name, root)),
        )
        for name in candidates
    ]


def memory_table(work: Path, rounds: int) -> str:
    """Markdown: the loader of images in memory beside the step that waits for it."""
    headings = ["images", "loader, ms a step", "step of A at width 1/4, batch 128, ms", "share, %"]
    return markdown(headings, [_memory_row(work, rounds, channels) for channels in (1, 3)])


def _memory_row(work: Path, rounds: int, channels: int) -> tuple[str, float, float, float]:
    config = resolve(
        parse(
            {
                "model": {"name": "a", "width": 0.25},
                "norm": {"name": "batch"},
                "data": {"name": "digits", "flip": channels == 3, "shift": 4},
                "recipe": {"batch_size": 128},
                "trainer": {"accelerator": "cpu"},
                "paths": {"data": str(work / "datasets")},
            }
        )
    )
    torch.set_num_threads(config.trainer.threads)
    data = in_training(ImageData(config, torch.channels_last))
    grey = data.splits.train
    assert isinstance(grey, ImageSet)
    images = dataclasses.replace(grey, images_nchw=grey.images_nchw.repeat(channels, axis=1))
    data.splits = Splits(train=images, validation=images, test=images)
    data.normalise = Normalisation.of(images.images_nchw)
    loader = data.train_dataloader()
    train = _step(config, channels, shown(data, next(iter(loader))))
    steps = range(loader.steps)
    candidates = {"load": epoch_of(data), "train": lambda: [train() for _ in steps]}
    times = alternate(candidates, rounds)
    load_ms, train_ms = (1e3 * median(times, name) / len(steps) for name in candidates)
    return f"32 x 32 x {channels}", load_ms, train_ms, 100 / ratio(times, "train", "load")


def _step(config: Config, channels: int, batch: Batch) -> Callable[[], None]:
    net = build(
        config.model, config.norm, config.init, classes=10, image_size=32, in_channels=channels
    ).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=config.trainer.precision == "bf16"):
            logits_nk = net(batch.images_nchw)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(logits_nk.float(), batch.labels_n).backward()
        optimizer.step()

    return step


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=("all", "memory"), default="all")
    parser.add_argument("--images", type=int, default=192, help="of an epoch")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.what == "all":
            torch.set_num_threads(1)
            print(photograph_table(Path(folder), options.images, options.rounds), end="\n\n")
        print(memory_table(Path(folder), options.rounds))


if __name__ == "__main__":
    main()
