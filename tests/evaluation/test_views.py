"""Which pixels a protocol shows the net."""

from __future__ import annotations

import pytest
import torch

from vgglab.evaluation.views import centred, corners, grid, views_of, whole


def ramp(height: int, width: int) -> torch.Tensor:
    """An image (1, height, width) whose every pixel has a value of its own, above 0."""
    return torch.arange(1, height * width + 1).reshape(1, height, width)


def test_grid_is_five_by_five_from_edge_to_edge() -> None:
    image = ramp(40, 52)
    corners = [(int(c[0, 0, 0] - 1) // 52, int(c[0, 0, 0] - 1) % 52) for c in grid(image, 32)]
    assert corners == [(top, left) for top in (0, 2, 4, 6, 8) for left in (0, 5, 10, 15, 20)]
    assert {tuple(c.shape) for c in grid(image, 32)} == {(1, 32, 32)}


def test_corners_are_four_and_the_middle() -> None:
    image = ramp(40, 52)
    first = [(int(c[0, 0, 0] - 1) // 52, int(c[0, 0, 0] - 1) % 52) for c in corners(image, 32)]
    assert first == [(0, 0), (0, 20), (8, 0), (8, 20), (4, 10)]
    assert {tuple(c.shape) for c in corners(image, 32)} == {(1, 32, 32)}


def test_an_image_of_the_crops_size_is_seen_as_it_is() -> None:
    image = ramp(40, 40)
    assert torch.equal(centred(image, 40, 40), image)
    assert torch.equal(whole(image, 40, 32), image)
    assert all(torch.equal(crop, image) for crop in grid(image, 40))


@pytest.mark.parametrize(("side", "seen"), [(31, 32), (32, 32), (63, 32), (64, 64), (100, 96)])
def test_dense_sees_the_crop_plus_whole_strides(side: int, seen: int) -> None:
    assert whole(ramp(side, 64), 32, 32).shape == (1, seen, 64)


def test_what_is_left_out_is_left_out_at_both_ends() -> None:
    assert torch.equal(whole(ramp(40, 40), 32, 32), ramp(40, 40)[:, 4:36, 4:36])


def test_a_smaller_image_gets_a_black_border_on_every_side() -> None:
    seen = whole(ramp(28, 28), 32, 32)
    assert torch.equal(seen[:, 2:30, 2:30], ramp(28, 28))
    assert int((seen == 0).sum()) == 32**2 - 28**2


def test_paper_scales_leave_nothing_out() -> None:
    for side in (224, 256, 288, 352, 384, 416, 512):
        assert whole(torch.zeros(1, side, side), 224, 32).shape == (1, side, side)


def test_views_are_at_every_scale_in_order() -> None:
    image = torch.randint(0, 256, (3, 50, 80), dtype=torch.uint8)
    views = views_of(7, image, ("center", "dense", "crops"), (40, 64), crop=32, stride=32)
    assert views.index == 7
    assert [v.shape for v in views.of_kind["dense"]] == [(3, 32, 64), (3, 64, 96)]
    assert [v.shape for v in views.of_kind["center"]] == [(3, 32, 32)] * 2
    assert [v.shape for v in views.of_kind["crops"]] == [(3, 32, 32)] * 50
    assert views.pixels == 64 * 96
