"""A wrong config ends in one line that names the field, the value and what is allowed."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from vgglab.config import Config
from vgglab.config.fields import marks_of
from vgglab.config.parse import ConfigError, parse


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": "x"}, 'seed = "x": must be a valid integer'),
        ({"seed": 1.5}, "seed = 1.5: must be a valid integer"),
        ({"recipe": {"learning_rate": -1}}, "recipe.learning_rate = -1: must be greater than 0"),
        ({"recipe": {"epocs": 1}}, "recipe.epocs = 1: no such field; did you mean recipe.epochs?"),
        ({"modle": {}}, "modle = {}: no such field; did you mean model?"),
        ({"data": {"name": "digits", "classes": 4}}, "protocol.top_k = [1, 5]: top-5 error needs"),
        ({"data": {"name": "digits", "image_size": 16}}, "data.image_size = 16: must be greater"),
        ({"data": {"name": "mnist"}}, "data.name: must be one of digits, cluttered_digits"),
        ({"model": {"name": "f"}}, "model.name = f: must be 'a', 'a_lrn'"),
        ({"model": {"lrn": {"size": 4}}}, "model.lrn.size = 4: must be odd"),
        ({"recipe": {"learning_rate": float("nan")}}, "recipe.learning_rate = nan: must be a fin"),
        ({"study": {"name": "../x"}}, "study.name = '../x': must be 1 to 64 letters"),
        ({"study": {"looks": [5, 3]}}, "study.looks = [5, 3]: must be ascending numbers of seeds"),
        ({"study": {"looks": [1, 3]}}, "study.looks = [1, 3]: must be ascending numbers of seeds"),
        ({"study": {"minutes": 5}}, "study.minutes = 5: is counted between looks; declare study.l"),
        ({"norm": "batch"}, 'norm = "batch": must be an object'),
        ({"task": {"x" * 5_000: 10**30}}, f"task.{'x' * 115}...: must be a number of fewer"),
        (
            {"data": {"name": "cluttered_digits", "digit_min": 30, "digit_max": 20}},
            "data.digit_min = 30, digit_max = 20: must satisfy",
        ),
        (
            {"recipe": {"scale_min": 40}},
            "recipe.scale_min = 40, scale_max = 0: set both, equal for a fixed S, or neither",
        ),
        (
            {"recipe": {"scale_min": 48, "scale_max": 40}},
            "recipe.scale_min = 48, scale_max = 40: scale_min is the smaller",
        ),
        (
            {"recipe": {"scale_min": 31, "scale_max": 40}},
            "recipe.scale_min = 31: must be 0 or at least the crop, data.image_size = 32",
        ),
        (
            {"data": {"name": "folder"}},
            "recipe.scale_min = 0: data=folder has images of many sizes; set",
        ),
        ({"recipe": {"color_shift": -0.1}}, "recipe.color_shift = -0.1: must be greater"),
        ({"recipe": {"normalise": "max"}}, "must be 'deviation' or 'mean'"),
        ({"protocol": {"top_k": [5]}}, "protocol.top_k = [5]: must contain 1"),
    ],
)
def test_one_line_names_field_value_and_allowed(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_mistakes_are_all_named() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"seed": -1, "recipe": {"epochs": 0}})
    assert "seed = -1" in str(caught.value)
    assert "recipe.epochs = 0" in str(caught.value)


def test_defaults_are_legal() -> None:
    assert parse({}) == Config()


def test_integers_are_taken_for_numbers() -> None:
    assert parse({"model": {"width": 1}}).model.width == 1.0


def leaves(config: Any, inherited: object = None, path: str = "") -> list[tuple[str, object]]:
    """``(path, role)`` of each leaf; a group's role holds for its fields."""
    found = []
    for field in marks_of(type(config)):
        where, value = f"{path}.{field.name}".lstrip("."), getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found += leaves(value, field.role or inherited, where)
        else:
            found.append((where, field.role or inherited))
    return found


def test_every_field_says_who_it_is_for() -> None:
    without = [path for path, role in leaves(Config()) if role is None]
    assert without == ["data.name"]  # the union's tag: part of the identity like any science
