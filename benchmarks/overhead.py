"""What a harness costs: the same training step alone, in ours, and as the template's users log it.

    python benchmarks/overhead.py             net A at width 1/4, 32 px; about 3 minutes
    python benchmarks/overhead.py --profile   where our Lightning loop spends its own time
    python benchmarks/overhead.py --device cuda --only raw off    on a GPU

The step is the same everywhere: net, batches and their augmentation, precision, memory format,
fused SGD, threads; the raw loop and ours also share kernels and dropout. The raw loop does nothing
else. Ours counts errors, keeps the epoch's records, writes checkpoints and tests; the template's
way (``template.py``) is metric objects for each split handed to ``self.log`` every step, progress
bar and WandbLogger. Each candidate is a process of its own; they take turns, a fit of three epochs
at a time, of which the first is not counted. ``step_by_step.py`` compares the raw loop and ours
within one process, which scatters less.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import io
import json
import os
import pstats
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from side_by_side import Worker, markdown, ratio

EPOCHS = 3
RAW = "raw loop"
FORM = "OVERHEAD_FORM"
"""Environment variable that tells the candidates' processes the device, and ``small``."""


def device_name() -> str:
    """``cpu`` or ``cuda``."""
    return os.environ.get(FORM, "cpu").partition(" ")[0]


def is_small() -> bool:
    """Whether the run is only to be seen to run."""
    return os.environ.get(FORM, "").endswith(" small")


def config_of(work: Path, mode: str, epochs: int = EPOCHS) -> Any:
    """A run of net A at width 1/4 on the digits, as ``FORM`` says."""
    from vgglab.config.parse import parse
    from vgglab.workflow.resolve import resolve

    return resolve(
        parse(
            {
                "model": {"name": "a", "width": 1 / 16 if is_small() else 0.25},
                "norm": {"name": "batch"},
                **({"data": {"name": "digits", "test_fraction": 0.45}} if is_small() else {}),
                "recipe": {"epochs": epochs, "batch_size": 64, "learning_rate": 0.02},
                "trainer": {
                    "accelerator": "gpu" if device_name() == "cuda" else "cpu",
                    "threads": 1 if is_small() else 0,
                },
                "tracking": {"mode": mode, "code": False},
                "paths": {"data": str(work / "datasets"), "runs": str(work / "runs")},
            }
        )
    )


def raw_steps(config: Any) -> Callable[[], Iterator[None]]:
    """What makes a net and its optimiser, and does a step of an epoch each time it is asked."""
    import torch
    from input import in_training
    from on_device import wait_for

    from vgglab.data.module import ImageData
    from vgglab.models.build import build
    from vgglab.models.dropout import dropout_layers, keyed_dropout
    from vgglab.models.kernels.select import keep_rounded, updates_in_cpp, use_kernels
    from vgglab.models.kernels.sgd import OnePassSGD

    device = torch.device(device_name())
    data = in_training(ImageData(config, torch.channels_last))
    random = torch.Generator().manual_seed(0)
    bf16 = config.trainer.precision == "bf16"
    net = build(config.model, config.norm, config.init, classes=10, image_size=32, in_channels=1)
    net = net.to(device).to(memory_format=torch.channels_last).train()
    use_kernels(net, config.trainer)
    dropped = dropout_layers(net)
    optimizer = torch.optim.SGD(net.parameters(), 0.02, 0.9, weight_decay=5e-4, fused=True)
    if updates_in_cpp(config):
        optimizer = OnePassSGD(optimizer, keep_rounded(net))
    loader = data.train_dataloader()

    def epoch() -> Iterator[None]:
        for loaded in loader:
            moved = data.transfer_batch_to_device(loaded, device, 0)
            batch = data.on_after_batch_transfer(moved, 0)
            keys = torch.randint(2**31, batch.labels_n.shape, generator=random).to(torch.int32)
            with (
                torch.autocast(device.type, torch.bfloat16, enabled=bf16),
                keyed_dropout(dropped, keys.to(device)),
            ):
                logits_nk = net(batch.images_nchw)
            loss = torch.nn.functional.cross_entropy(logits_nk.float(), batch.labels_n)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield
        wait_for(device)

    return epoch


def raw(work: Path) -> Callable[[], float]:
    """Milliseconds a step of a loop that does nothing but the step."""
    import torch

    from vgglab.training.allocator import use_allocator

    config = config_of(work, "off")
    use_allocator(config.trainer)
    torch.set_num_threads(config.trainer.threads)
    torch.backends.cudnn.benchmark = config.trainer.cudnn_benchmark

    def fit() -> float:
        epoch, seconds, steps = raw_steps(config), 0.0, 0
        for number in range(EPOCHS):
            begun = time.perf_counter()
            done = sum(1 for _ in epoch())
            if number:
                seconds, steps = seconds + time.perf_counter() - begun, steps + done
        return 1e3 * seconds / steps

    return fit


def harness(work: Path, mode: str, epochs: int = EPOCHS) -> Callable[[], float]:
    """Milliseconds a step of a whole run of ours, with its records and, unless off, W&B."""
    from vgglab.training.imports import import_lightning

    import_lightning()
    from vgglab.runs import RunDirectory, Status, read_metrics
    from vgglab.workflow.attempt import attempt

    config = config_of(work, mode, epochs)

    def fit() -> float:
        directory = RunDirectory(Path(config.paths.runs) / f"{mode}-{time.time_ns()}")
        directory.path.mkdir(parents=True)
        attempt(config, directory, Status())
        assert json.loads(directory.result.read_text(encoding="utf-8"))["errors"]
        epochs = [r for r in read_metrics(directory.metrics) if "speed/images_per_second" in r]
        speeds = [r["speed/images_per_second"] for r in epochs[1:]]
        images = epochs[0]["images_seen"] / epochs[0]["step"]
        return float(1e3 * images * statistics.fmean(1 / speed for speed in speeds))

    return fit


def template(work: Path) -> Callable[[], float]:
    """Milliseconds a step of plain Lightning with metric objects, the bar and WandbLogger."""
    import torch
    from omegaconf import OmegaConf

    from vgglab.data.module import ImageData
    from vgglab.training.allocator import keep_freed_memory

    os.environ["WANDB_SILENT"] = "true"
    warnings.simplefilter("ignore")
    from template import DEFAULTS, train

    ours = config_of(work, "off")
    keep_freed_memory()
    config = OmegaConf.create(
        DEFAULTS
        | {
            "width": 0.25,
            "epochs": EPOCHS,
            "threads": ours.trainer.threads,
            "fused": True,
            "precision": "bf16-mixed" if ours.trainer.precision == "bf16" else "32-true",
            "folder": str(work / "template"),
        }
    )

    def fit() -> float:
        data = ImageData(ours, torch.channels_last)
        data.test_dataloader = data.val_dataloader  # type: ignore[method-assign]  # ours has none
        with contextlib.redirect_stdout(io.StringIO()):
            return float(train(config, data, torch.channels_last)["step_ms"])

    return fit


CANDIDATES: dict[str, tuple[Any, ...]] = {
    "raw": (RAW, raw),
    "off": ("ours, tracking=off", harness, "off"),
    "offline": ("ours, tracking=offline", harness, "offline"),
    "template": ("the template's way", template),
}
"""Short name -> row, what makes it, and further arguments of that."""


def rows_of(work: Path, rounds: int, only: Sequence[str]) -> list[tuple[str, float, float, float]]:
    """Row, milliseconds a step, what is added to the raw loop's, and the same in percent.

    Args:
        work: a folder for data and runs.
        rounds: how often each has its turn.
        only: names of ``CANDIDATES``; the raw loop is one of them.
    """
    chosen = [CANDIDATES[name] for name in only]
    workers = {row: Worker(make, work, *more) for row, make, *more in chosen}
    times: dict[str, list[float]] = {name: [] for name in workers}
    for turn in range(-1, rounds):
        for name in workers if turn % 2 else reversed(workers):
            milliseconds = workers[name]()
            if turn >= 0:
                times[name].append(milliseconds)
    for worker in workers.values():
        worker.close()
    rows = []
    for name, found in times.items():
        middle = statistics.median(found)
        added = statistics.median(o - r for o, r in zip(found, times[RAW], strict=True))
        rows.append((name, middle, added, 100 * (ratio(times, name, RAW) - 1)))
    return rows


def profile(work: Path) -> str:
    """The functions of Lightning and ours that take most of a run's time themselves."""
    fit = harness(work, "off")
    fit()
    profiler = cProfile.Profile()
    profiler.runcall(fit)
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(35)
    return text.getvalue()


def main() -> None:
    """Print the table, or a profile."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--only", nargs="+", choices=list(CANDIDATES), default=list(CANDIDATES))
    parser.add_argument("--json", action="store_true", help="a line a row")
    parser.add_argument("--small", action="store_true", help="a narrower net and fewer images")
    options = parser.parse_args()
    os.environ[FORM] = options.device + (" small" if options.small else "")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if options.profile:
            print(profile(work))
            return
        only = list(dict.fromkeys(["raw", *options.only]))
        rows = rows_of(work, options.rounds, only)
    if options.json:
        for row, milliseconds, added, percent in rows:
            print(json.dumps({"row": row, "ms": milliseconds, "added_ms": added, "%": percent}))
        return
    print(markdown(["A at width 1/4, 32 px, batch 64", "ms a step", "added, ms", "added, %"], rows))


if __name__ == "__main__":
    main()
