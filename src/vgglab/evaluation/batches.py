"""Which test images go through a net together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from vgglab.evaluation.views import Views
from vgglab.models.vgg import VGG

SHARE = 16
"""A forward takes up to a 16th of a GPU's memory, and so do the images that wait for theirs: enough
to keep it busy, and other runs may be on the same card."""
BYTES_A_PIXEL = 48
"""Of an image's pixel in all the forms that it takes before the first convolution."""


@dataclass(frozen=True)
class Room:
    """Most images of a forward; by default for a CPU, whose caches larger batches would leave."""

    images: int = 250
    pixels: int = 2**20
    """Of all images together: 250 images of 64 px, 20 of 224, 4 of 512."""
    waiting: int | None = None
    """Pixels of all images that wait for others of their shapes; None: any number."""


def room_on(device: torch.device, net: VGG) -> Room:
    """The room for forwards of a net; on a GPU by the memory that the card has."""
    if device.type == "cpu":
        return Room()
    return room_in(torch.cuda.get_device_properties(device).total_memory, net)


def room_in(memory: int, net: VGG) -> Room:
    """The room on a GPU with so many bytes: input and output of the first layers take the most."""
    first = next(module for module in net.features if isinstance(module, nn.Conv2d))
    maps = 2 * 4 * first.out_channels  # in and out, fp32
    return Room(1024, memory // SHARE // (BYTES_A_PIXEL + maps), memory // SHARE // 4)


def batches(images: Iterator[Views], room: Room) -> Iterator[list[Views]]:
    """Group images whose views have equal shapes, as many as fit; each image is in one batch."""
    waiting: dict[tuple[torch.Size, ...], list[Views]] = {}
    held = 0
    for views in images:
        group = waiting.setdefault(views.shapes, [])
        group.append(views)
        held += views.all_pixels
        if len(group) == max(1, min(room.images, room.pixels // views.pixels)):
            ready = views.shapes
        elif room.waiting is not None and held > room.waiting:
            ready = max(waiting, key=lambda shapes: len(waiting[shapes]))
        else:
            continue
        batch = waiting.pop(ready)
        held -= sum(one.all_pixels for one in batch)
        yield batch
    yield from waiting.values()
