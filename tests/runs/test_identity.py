"""A run's name is its content: all of it, and nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from vgglab.config import Config, semantic
from vgglab.config.fields import Role, marks_of
from vgglab.config.parse import parse
from vgglab.runs import arm_hash, content_hash, run_id

RESOLVED = {"trainer": {"precision": "fp32"}}
BASE = parse(RESOLVED)

OTHER: dict[str, Any] = {
    "model.name": "b",
    "model.blocks": [[64], [128]],
    "model.layers": 22,
    "model.hidden": [256],
    "model.skip": "identity",
    "model.activation": "gelu",
    "model.pooling": "average",
    "model.lrn.convention": "mean",
    "model.lrn.size": 7,
    "norm.name": "batch",
    "init.name": "glorot",
    "init.parent": None,  # its run's id is; tested below
    "data.image_size": 40,
    "data.classes": 9,
    "data.flip": True,
    "recipe.schedule.name": "step",
    "recipe.optimizer": "adamw",
    "recipe.decay_biases_and_norms": False,
    "recipe.label_smoothing": 0.1,
    "recipe.average_weights": 0.9,
    "recipe.select": "last",
    "recipe.scale_min": None,  # not without the other; tested below
    "recipe.scale_max": None,
    "recipe.normalise": "mean",
    "protocol.name": "dense",
    "protocol.scales": [40],
    "protocol.top_k": [1],
    "trainer.precision": "bf16",
    "data.name": None,  # changes the other fields with it; tested below
}


def leaves(config: Any, path: str = "") -> list[tuple[str, Role | None, Any]]:
    found: list[tuple[str, Role | None, Any]] = []
    for field in marks_of(type(config)):
        where, value = f"{path}.{field.name}".lstrip("."), getattr(config, field.name)
        if dataclasses.is_dataclass(value) and field.role is not Role.INFRASTRUCTURE:
            found += leaves(value, where)
        else:
            found.append((where, field.role, value))
    return found


def changed(path: str, value: Any) -> Config:
    tree: dict[str, Any] = {"data": {"name": "digits"}, "trainer": dict(RESOLVED["trainer"])}
    node = tree
    *parents, name = path.split(".")
    for parent in parents:
        node = node.setdefault(parent, {})
    node[name] = value
    return parse(tree)


def test_each_end_of_the_training_scale_changes_the_name() -> None:
    scales = [(40, 40), (40, 48), (48, 48)]
    made = [
        parse(RESOLVED | {"recipe": {"scale_min": low, "scale_max": high}}) for low, high in scales
    ]
    assert len({content_hash(config, "f") for config in (BASE, *made)}) == 4


SEMANTIC = [(p, v) for p, role, v in leaves(BASE) if role is None or role.is_semantic]


@pytest.mark.parametrize(("path", "value"), SEMANTIC, ids=[path for path, _ in SEMANTIC])
def test_every_semantic_field_changes_the_name(path: str, value: Any) -> None:
    other = OTHER.get(path, value * 0.5 if isinstance(value, float) else value)
    if isinstance(value, float) and value == 0 and path not in OTHER:
        other = 1.0
    elif isinstance(value, int) and not isinstance(value, bool) and path not in OTHER:
        other = value + 1
    if other is None:
        return
    assert content_hash(changed(path, other), "f") != content_hash(BASE, "f")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("paths.runs", "elsewhere"),
        ("trainer.threads", 7),
        ("trainer.accelerator", "gpu"),
        ("trainer.memory_format", "contiguous"),
        ("launcher.jobs", 3),
        ("tracking.mode", "off"),
        ("study.name", "other"),
        ("task.name", "runs"),
    ],
)
def test_infrastructure_does_not_change_the_name(path: str, value: Any) -> None:
    assert content_hash(changed(path, value), "f") == content_hash(BASE, "f")


def test_the_data_changes_the_name() -> None:
    assert content_hash(BASE, "f") != content_hash(BASE, "g")
    other = parse(RESOLVED | {"data": {"name": "cifar10"}})
    assert content_hash(other, "f") != content_hash(BASE, "f")


def test_a_changed_default_changes_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = content_hash(BASE, "f")
    recipe = dataclasses.replace(BASE.recipe, momentum=0.8)
    assert content_hash(dataclasses.replace(BASE, recipe=recipe), "f") != before
    assert semantic(BASE)["recipe"]["momentum"] == 0.9  # written out though nobody set it


def test_the_parents_id_changes_the_name_and_how_it_is_described_does_not() -> None:
    child = parse(RESOLVED | {"init": {"name": "from_run"}})
    wordy = parse(RESOLVED | {"init": {"name": "from_run", "parent": {"seed": 0}}})
    assert content_hash(child, "f", "a-s0-1") != content_hash(child, "f", "a-s0-2")
    assert content_hash(child, "f", "a-s0-1") == content_hash(wordy, "f", "a-s0-1")


def test_an_unresolved_precision_has_no_name() -> None:
    with pytest.raises(ValueError, match=r"trainer\.precision"):
        content_hash(Config(), "f")


def test_the_name_is_readable() -> None:
    config = parse(RESOLVED | {"seed": 3, "norm": {"name": "batch"}, "model": {"name": "a_lrn"}})
    name, _, digest = run_id(config, "f").rpartition("-")
    assert name == "a_lrn-bn-s3"
    assert len(digest) == 16
    assert int(digest, 16) >= 0


def test_an_arm_is_all_of_it_but_the_seed() -> None:
    assert arm_hash(changed("seed", 7), "data") == arm_hash(BASE, "data")
    other = {arm_hash(changed(path, v), "data") for path, v in OTHER.items() if v is not None}
    assert len({arm_hash(BASE, "data"), *other}) == 1 + sum(v is not None for v in OTHER.values())


@pytest.mark.parametrize(
    ("recipe", "digest"),
    [  # those of commit ecda5aa, whose best.ckpt did not have the mean
        ({"average_weights": 0.9}, "fa7159bf3afc3cc4"),
        ({"average_weights": 0.9, "select": "last"}, "0f7f654e77ba399c"),
        ({}, "59ed77762138f406"),
    ],
)
def test_runs_that_were_tested_on_other_weights_than_the_mean_have_other_names(
    recipe: dict[str, Any], digest: str
) -> None:
    is_as_before = content_hash(parse(RESOLVED | {"recipe": recipe}), "f")[:16] == digest
    was_wrong = bool(recipe.get("average_weights")) and recipe.get("select") != "last"
    assert is_as_before != was_wrong
