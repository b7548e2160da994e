"""What counts as a confound, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from vgglab.study import UNKNOWN, Declaration, Declared, Guard, compare, free_keys, grid_keys


def fields(model: str = "a", seed: int = 0, norm: str = "none", **other: Any) -> dict[str, Any]:
    base = {"model.name": model, "norm.name": norm, "seed": seed, "recipe.learning_rate": 0.01}
    return base | {name.replace("__", "."): value for name, value in other.items()}


def guard(*points: dict[str, Any], **declared: tuple[str, ...]) -> Guard:
    named = {f"p{i}": point for i, point in enumerate(points)}
    return compare(named, Declared(**declared))


def confounds(found: Guard) -> list[str]:
    return [difference.field for difference in found.confounds]


def test_declared_fields_and_seeds_are_no_confound() -> None:
    points = [fields(model, seed) for model in "ab" for seed in (0, 1)]
    found = guard(*points, scientific=("model",))
    assert found.complaint == ""
    assert [(d.field, d.declaration) for d in found.differences] == [
        ("model.name", Declaration.SCIENTIFIC),
        ("seed", Declaration.NUISANCE),
    ]


def test_a_learning_rate_tied_to_batch_norm_is_named_with_what_it_is_tied_to() -> None:
    points = [
        fields(seed=seed, norm=norm, recipe__learning_rate=rate)
        for seed in (0, 1)
        for norm, rate in (("none", 0.01), ("batch", 0.1))
    ]
    found = guard(*points, scientific=("norm",))
    (confound,) = found.confounds
    assert confound.tied_to == "norm.name"
    assert str(confound) == "recipe.learning_rate: 0.01 (norm.name none), 0.1 (norm.name batch)"
    allowed = guard(*points, scientific=("norm",), nuisance=("seed", "recipe.learning_rate"))
    assert allowed.complaint == ""
    (nuisance,) = (d for d in allowed.differences if d.field == "recipe.learning_rate")
    assert nuisance.tied_to == "norm.name"


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("recipe.epochs", 10),
        ("recipe.batch_size", 32),
        ("protocol.name", "dense"),
        ("data.fingerprint", "sha256:1"),
        ("code.version", "commit 2"),
    ],
)
def test_any_other_difference_is_a_confound(field: str, other: Any) -> None:
    one, two = fields("a"), fields("b")
    one[field], two[field] = "before", other
    assert confounds(guard(one, two, scientific=("model",))) == [field]


def test_a_field_that_only_some_points_have_differs() -> None:
    assert confounds(guard(fields("a"), fields("b", data__train_images=5), scientific=("model",)))


def test_code_that_has_not_run_yet_differs_from_nothing() -> None:
    points = [fields("a", code__version=UNKNOWN), fields("b", code__version="source 1")]
    assert confounds(guard(*points, scientific=("model",))) == []


def test_a_group_stands_for_what_is_below_it_and_for_no_other_name() -> None:
    declared = Declared(scientific=("recipe",))
    assert declared.of("recipe.schedule.name") is Declaration.SCIENTIFIC
    assert declared.of("recipes.name") is Declaration.NONE


def test_a_declaration_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"recipe\.lr: no point has it; did you mean recipe"):
        Declared(nuisance=("recipe.lr",)).check(fields())
    Declared(scientific=("recipe", "model.name"), nuisance=("seed",)).check(fields())


def test_grid_keys_are_those_that_vary_and_the_last_of_a_key_counts() -> None:
    grid = [
        ("norm=none", "model=a", "+recipe.epochs=2", "norm=batch"),
        ("norm=batch", "model=b", "+recipe.epochs=3", "norm=batch"),
    ]
    assert grid_keys(grid) == ("model", "recipe.epochs")


MODELS, WIDTHS = ("model=a", "model=b"), ("model.width=1", "model.width=2")
TOGETHER = list(zip(MODELS, WIDTHS, strict=True))
CROSSED = [(model, width) for model in MODELS for width in WIDTHS]


@pytest.mark.parametrize(
    ("grid", "scientific", "nuisance", "undeclared"),
    [
        (TOGETHER, (), (), ["model.width"]),
        (TOGETHER, ("model.name",), (), ["model.width"]),
        (TOGETHER, ("model.width",), (), ["model.name"]),
        (TOGETHER, ("model",), (), []),
        (TOGETHER, ("model.name", "model.width"), (), []),
        (TOGETHER, (), ("model.width",), []),
        (TOGETHER, (), ("model.name",), []),
        (CROSSED, (), (), []),
        (CROSSED[:3], (), (), []),  # one factor at a time
        (CROSSED, (), ("model.width",), []),
    ],
)
def test_of_factors_that_move_together_all_but_the_first_are_declared(
    grid: list[tuple[str, str]],
    scientific: tuple[str, ...],
    nuisance: tuple[str, ...],
    undeclared: list[str],
) -> None:
    keys = grid_keys(grid)
    stated = Declared(scientific=scientific, nuisance=nuisance)
    free = free_keys(grid, keys, stated)
    declared = Declared(
        scientific=(*scientific, *free),
        nuisance=nuisance,
        tied=tuple(key for key in keys if key not in free),
    )
    points = {
        str(point): {f"{key}.name" if key == "model" else key: value for key, value in pairs}
        for point in grid
        for pairs in [[text.split("=") for text in point]]
    }
    assert confounds(compare(points, declared)) == undeclared


def test_many_values_are_counted_not_listed() -> None:
    points = [fields(str(i), recipe__learning_rate=i) for i in range(9)]
    (confound,) = guard(*points, scientific=("norm",), nuisance=("seed", "model")).confounds
    assert str(confound).endswith("and 5 more values")
