"""Which images go through a net together, on a CPU and on a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from vgglab.config.model import ModelConfig, NormConfig
from vgglab.evaluation.batches import Room, batches, room_in, room_on
from vgglab.evaluation.views import Views
from vgglab.models.vgg import VGG


def views(index: int, height: int, width: int) -> Views:
    return Views(index, {"dense": (torch.zeros(3, height, width, dtype=torch.uint8),)})


def grouped(room: Room, sizes: Sequence[tuple[int, int]]) -> list[list[int]]:
    made = batches((views(index, *size) for index, size in enumerate(sizes)), room)
    return [[one.index for one in batch] for batch in made]


@pytest.mark.parametrize(
    ("room", "side", "expected"),
    [
        (Room(images=4), 8, [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]),
        (Room(pixels=3 * 64), 8, [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]),
        (Room(pixels=60), 8, [[i] for i in range(10)]),  # one that is too large goes alone
    ],
)
def test_as_many_as_fit(room: Room, side: int, expected: list[list[int]]) -> None:
    assert grouped(room, [(side, side)] * 10) == expected


def test_the_largest_group_goes_when_too_many_wait() -> None:
    sizes = [(8, 8), (8, 9), (8, 8), (8, 10), (8, 11)]
    assert grouped(Room(), sizes) == [[0, 2], [1], [3], [4]]
    assert grouped(Room(waiting=300), sizes) == [[0, 2], [1], [3], [4]]
    assert grouped(Room(waiting=250), [*sizes, (8, 9)]) == [[0, 2], [1, 5], [3], [4]]


def net_of(width: float) -> VGG:
    with torch.device("meta"):
        return VGG(ModelConfig(name="d", width=width), NormConfig(), classes=1000, image_size=224)


def test_on_a_gpu_the_room_follows_from_its_memory() -> None:
    whole = room_in(80 * 2**30, net_of(1.0))
    assert 128 <= whole.pixels // 224**2 <= 256
    assert room_in(8 * 2**30, net_of(1.0)).pixels * 10 == pytest.approx(whole.pixels, rel=1e-5)
    assert room_in(80 * 2**30, net_of(0.25)).pixels > 2 * whole.pixels
    assert room_on(torch.device("cpu"), net_of(1.0)) == Room()
