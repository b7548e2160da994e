"""Testing VGG-D on a GPU: images a second of centre crops and of dense maps, and new shapes.

    python -m gpu.testing --device cuda

``predict`` is the whole of the product's test of a split in memory; the other rows are its forwards
alone, by images in a batch. A shape that cuDNN has not seen yet takes longer, most of all where it
looks for the fastest convolutions.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from evaluation import SIZE, net_of, ours, settings_of
from on_device import about, free_memory, median_ms, peak_mib, say, wait_for

from vgglab.config import Procedure
from vgglab.data.splits import ImageSet
from vgglab.evaluation.batches import Room, room_on
from vgglab.evaluation.predict import Predictor, predict


def noise(count: int, height: int, width: int) -> torch.Tensor:
    """Images (N, 3, H, W), uint8, on the CPU."""
    return torch.randint(256, (count, 3, height, width), dtype=torch.uint8)


def seconds_of(predictor: Predictor, images_nchw: torch.Tensor, *, dense: bool) -> float:
    """Of one call, until its scores are on the CPU."""
    views = [(image_chw,) for image_chw in images_nchw]
    begun = time.perf_counter()
    predictor("dense" if dense else "center", views, mirrored=dense)
    return time.perf_counter() - begun


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    device, small = torch.device(options.device), options.small
    if small:
        torch.set_num_threads(1)
    net = net_of("a", 1 / 64) if small else net_of("d", 1.0)
    predictor = ours(net, device)
    settings = settings_of(device)
    count = 4 if small else 512
    index_n = np.arange(count)
    images = ImageSet(noise(count, SIZE, SIZE).numpy(), np.zeros_like(index_n), index_n)
    few, most = Room().pixels // SIZE**2, room_on(device, net).pixels // SIZE**2
    procedure = Procedure(name="center", label="center", scales=(SIZE,), crop=SIZE, flip=True)
    for turn in ("first", "again"):
        begun = time.perf_counter()
        found = predict(net, images, [procedure], lambda x: x.float() / 64 - 2, settings)
        whole, forwards = time.perf_counter() - begun, found["center"].seconds
        rate = len(images) / whole
        say(row="predict, center", turn=turn, img_s=round(rate, 1), forwards_s=round(forwards, 3),
            whole_s=round(whole, 3))  # fmt: skip
    for batch in (2, 4) if small else (few, 64, most):
        shown = noise(batch, SIZE, SIZE)
        free_memory(device)
        first = seconds_of(predictor, shown, dense=False)
        again = median_ms(lambda s=shown: seconds_of(predictor, s, dense=False), device, steps=5)  # type: ignore[misc]
        say(row="center", side=SIZE, batch=batch, first_ms=round(1e3 * first, 1),
            ms=round(again, 2), img_s=round(1e3 * batch / again, 1),
            peak_mib=peak_mib(device))  # fmt: skip
    sides = (224,) if small else (256, 384, 512)
    for search in (False, True):
        torch.backends.cudnn.benchmark = search
        for side in sides:
            width = side * 4 // 3 // 32 * 32
            few, most = (room.pixels // (side * width) for room in (Room(), room_on(device, net)))
            for batch in (1,) if small else (max(1, few), most):
                shown = noise(batch, side, width)
                free_memory(device)
                try:
                    first = seconds_of(predictor, shown, dense=True)
                    again = min(seconds_of(predictor, shown, dense=True) for _ in range(3))
                    wait_for(device)
                except Exception as error:
                    say(row="dense, mirrored", side=side, batch=batch, error=about(error))
                    continue
                say(row="dense, mirrored", side=f"{side} x {width}", batch=batch,
                    cudnn_search=search, first_ms=round(1e3 * first, 1),
                    ms=round(1e3 * again, 2), img_s=round(batch / again, 1),
                    peak_mib=peak_mib(device))  # fmt: skip


if __name__ == "__main__":
    main()
