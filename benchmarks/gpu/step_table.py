"""A training step in bf16: ours, and what users would run instead, one after the other.

    python -m gpu.step_table --device cuda --rows worth

``ours`` is the harness's own step, as in ``benchmarks/step.py``; ``reference`` is torchvision's
loop with ``--amp``, ``plain`` the same with channels_last, bf16, fused SGD and no look at the
metrics, ``compiled`` and ``graphs`` that with torch.compile of the whole net, ``lightning`` that
in Lightning's Trainer. The peak is a product of two bf16 matrices of 8192, measured before and
after. GPU memory is what one row alone takes. Below ours of D: which kernels its time goes to.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from on_device import (
    Step,
    about,
    between,
    free_memory,
    matmul_flops,
    now,
    peak_mib,
    say,
    step_times,
)

from gpu.kernels import kernels_of
from vgglab.training.imports import import_lightning

import_lightning()

import pytorch_lightning as pl
from step import operations
from step_candidates import Case, Ours, Peer, batch_of, plain_net


class Row(NamedTuple):
    """A row of the table."""

    how: str
    batch: int
    net: str = "d"


WORTH = (
    Row("ours", 128),
    Row("compiled", 128),
    Row("ours, conv_kernel=cudnn", 128),
    Row("ours", 128, "a"),
    Row("ours", 128, "a_lrn"),
    Row("reference", 128),
    Row("ours", 256),
    Row("compiled", 256),
    Row("graphs", 128),
    Row("ours_graphs", 128),
    Row("reference", 256),
)
REST = (
    Row("plain", 128),
    Row("ours, not compiled", 128),
    Row("lightning", 128),
    Row("plain", 256),
    Row("ours, not compiled", 256),
    Row("lightning", 256),
    Row("reference", 64),
    Row("plain", 64),
    Row("ours, not compiled", 64),
)
WAYS: dict[str, dict[str, Any]] = {
    "ours": {},
    "ours, not compiled": {"compile": "none"},
    "ours_graphs": {"compile": "graphs"},
    "ours, conv_kernel=cudnn": {"conv_kernel": "cudnn"},
}
"""``trainer.`` fields of the rows that are the harness's own step."""
ROWS = {"worth": WORTH, "rest": REST}
SMALL = {
    "worth": (
        Row("ours", 8),
        Row("compiled", 8),
        Row("reference", 8),
        Row("ours", 8, "a"),
        Row("ours", 8, "a_lrn"),
    ),
    "rest": (
        Row("graphs", 8),
        Row("plain", 8),
        Row("ours, not compiled", 8),
        Row("lightning", 8),
    ),
}


def case_of(row: Row, device: str, *, small: bool) -> Case:
    """What a row trains."""
    return Case(row.net, 1 / 16 if small else 1.0, 32 if small else 224, row.batch, 1, device)


def candidate(row: Row, case: Case) -> tuple[Step, dict[str, Any]]:
    """The step of a row, and the kernels that it says it uses."""
    if row.how not in WAYS:
        return Peer(row.how).made(case), {}
    trainer = {"compile": "auto"} | WAYS[row.how]
    ours = Ours(torch.get_num_threads(), precision="bf16", **trainer)
    return ours.made(case), ours.used


class Net(pl.LightningModule):
    """A net as a user of Lightning wraps it."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        """The mean loss of a batch, logged."""
        loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Fused SGD."""
        return torch.optim.SGD(self.parameters(), 0.001, 0.9, weight_decay=5e-4, fused=True)


class Marks(pl.Callback):
    """A mark in the device's work after every step."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.marks: list[Any] = []

    def on_train_batch_end(self, *_: Any) -> None:
        self.marks.append(now(self._device))


class Repeated(torch.utils.data.IterableDataset[Any]):
    """One batch, that is in the device's memory already, again and again."""

    def __init__(self, batch: Any, times: int) -> None:
        self._batch, self._times = batch, times

    def __iter__(self) -> Iterator[Any]:
        for _ in range(self._times):
            yield self._batch


def lightning_times(case: Case, warm: int, steps: int) -> list[float]:
    """Milliseconds of a step in Lightning's Trainer.

    Args:
        case: what is trained.
        warm: steps that are not counted.
        steps: steps that are.
    """
    images_nchw, labels_n = batch_of(case)
    images_nchw = images_nchw.contiguous(memory_format=torch.channels_last)
    with case.device:
        net = plain_net(case).to(memory_format=torch.channels_last)
    marks = Marks(case.device)
    count = warm + steps
    trainer = pl.Trainer(
        accelerator="gpu" if case.kind == "cuda" else "cpu",
        devices=1,
        precision="bf16-mixed",
        max_steps=count,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        benchmark=True,
        callbacks=[marks],
    )
    batches = torch.utils.data.DataLoader(Repeated((images_nchw, labels_n), count), batch_size=None)
    trainer.fit(Net(net), batches)
    return between(marks.marks[warm - 1 :], case.device)


def measured(row: Row, case: Case, warm: int, steps: int) -> tuple[dict[str, Any], Step | None]:
    """The cells of a row, and its step; None of Lightning's.

    Args:
        row: what is timed.
        case: what it trains.
        warm: steps that are not counted.
        steps: steps that are.
    """
    begun = time.perf_counter()
    used: dict[str, Any] = {}
    step: Step | None = None
    if row.how == "lightning":
        times = lightning_times(case, warm, steps)
    else:
        step, used = candidate(row, case)
        step()
        between([now(case.device)], case.device)
        setup = time.perf_counter() - begun
        times = step_times(step, case.device, warm=warm - 1, steps=steps)
    if row.how == "lightning":
        setup = time.perf_counter() - begun - sum(times) / 1e3
    milliseconds = statistics.median(times)
    flops = operations(case)[0] / (milliseconds / 1e3)
    cells = {
        "ms": round(milliseconds, 3),
        "slowest_ms": round(max(times), 3),
        "img_s": round(1e3 * case.batch / milliseconds, 1),
        "tflops": round(flops / 1e12, 2),
        "peak_mib": peak_mib(case.device),
        "setup_s": round(setup, 1),
        "used": used,
    }
    return cells, step


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--rows", choices=list(ROWS), default="worth")
    parser.add_argument("--warm", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.device == "cpu":
        torch.set_num_threads(1)
    warm, steps = (2, 2) if options.small else (options.warm, options.steps)
    device = torch.device(options.device)
    torch.backends.cudnn.benchmark = True  # as torchvision's references and our trainer have it
    top = matmul_flops(device)
    say(row="measured bf16 matrix peak", tflops=round(top / 1e12, 2))
    for row in (SMALL if options.small else ROWS)[options.rows]:
        free_memory(device)
        case = case_of(row, options.device, small=options.small)
        name = {"row": row.how, "net": row.net, "batch": row.batch}
        try:
            found, step = measured(row, case, warm, steps)
            share = round(1e12 * found["tflops"] / top, 3)
            say(**name, **found, share_of_peak=share)
            if step and (row.how, row.net) == ("ours", "d") and row.batch <= 128:
                for kernel in kernels_of(step):
                    say(**kernel)
            step = None
        except Exception as error:  # the other rows are worth having
            say(**name, error=about(error))
        torch.compiler.reset()
    free_memory(device)
    say(row="measured bf16 matrix peak, again", tflops=round(matmul_flops(device) / 1e12, 2))


if __name__ == "__main__":
    main()
