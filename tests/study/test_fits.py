"""What is found along an order that no claim named."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from study_points import config, run, view

from vgglab.runs import RunDirectory, RunRecord
from vgglab.study.claims.sides import LAYERS
from vgglab.study.fits import fits
from vgglab.study.printed import printed_record


def told_apart(points: Sequence[RunRecord]) -> list[RunRecord]:
    """The same with ids of their own, which have not every field in them."""
    folders = [RunDirectory(Path(f"runs/{number}")) for number in range(len(points))]
    return [
        dataclasses.replace(point, directory=folder)
        for point, folder in zip(points, folders, strict=True)
    ]


CANVASES = {"name": "cluttered_digits", "image_size": 32}


@pytest.mark.parametrize(
    ("factor", "arms"),
    [
        ("recipe.batch_size", [{"batch_size": n} for n in (32, 64, 128)]),
        ("recipe.epochs", [{"epochs": n} for n in (4, 8, 16)]),
        ("recipe.learning_rate", [{"learning_rate": n} for n in (0.01, 0.05, 0.1)]),
        (
            "data.train_images",
            [{"data": CANVASES | {"train_images": n}} for n in (2000, 5000, 9000)],
        ),
        ("data.image_size", [{"data": {"name": "digits", "image_size": n}} for n in (32, 48, 64)]),
    ],
)
def test_an_order_of_any_field_with_numbers(factor: str, arms: list[dict[str, Any]]) -> None:
    points = [
        run("a", seed, 10.0 - place + 0.1 * seed, **fields)
        for place, fields in enumerate(arms)
        for seed in (0, 1)
    ]
    (found,) = fits(view(*told_apart(points)))
    assert found.factor == factor
    assert found.best.place == found.best.places[-1]
    assert printed_record(view(*told_apart(points)))["fits"][0]["factor"] == factor


def test_the_depth_of_the_family_of_plain_nets() -> None:
    points = [
        run("plain", seed, 10.0 + 0.1 * seed - depth / 10, layers=depth, net={"layers": depth})
        for depth in (9, 14, 22)
        for seed in (0, 1)
    ]
    found = [fit for fit in fits(view(*told_apart(points))) if fit.factor == LAYERS]
    assert [fit.best.places for fit in found] == [(9.0, 14.0, 22.0)]
    assert config("plain", 0, net={"layers": 9}).model.net.weight_layers == 9
