"""Everything that compares, hashes or reuses a config follows from the roles of its fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from hydra import compose, initialize_config_dir
from pydantic.dataclasses import dataclass
from running import ROOT

from vgglab.config import (
    Config,
    FolderConfig,
    arm_fields,
    plain,
    semantic,
    semantic_fields,
    store,
    with_infrastructure_of,
)
from vgglab.config import parse as room
from vgglab.config.fields import STRICT, Role, Since
from vgglab.config.parse import parse, parse_stored
from vgglab.workflow.compose import checked, files_read_once
from vgglab.workflow.pretraining import stage_of

STORED_IDS: dict[str, str] = json.loads(
    Path(__file__).with_name("run_ids.json").read_text(encoding="utf-8")
)
"""Overrides of shipped configs -> the id that their run had on 26 November 2026."""
SCALES = {"recipe": {"scale_min": 256, "scale_max": 256}}
"""What a config of image files needs."""
FIXED = ("trainer.accelerator=cpu", "trainer.precision=fp32", "trainer.threads=1")


def assert_stored_ids(overrides: list[str]) -> None:
    """The runs of these overrides have the ids that are stored."""
    store.register()
    with (
        files_read_once(),
        initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")),
    ):
        for text in overrides:
            config = checked(compose("config", overrides=[*FIXED, *text.split(" ")]))
            assert stage_of(config).directory.id == STORED_IDS[text], text


@pytest.fixture
def root_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGGLAB_ROOT", str(ROOT))


@pytest.mark.usefixtures("root_is_known")
def test_shipped_configs_keep_the_ids_of_their_finished_runs() -> None:
    assert_stored_ids(list(STORED_IDS)[::30])


@pytest.mark.slow
@pytest.mark.usefixtures("root_is_known")
def test_every_shipped_config_keeps_the_id_of_its_finished_run() -> None:
    assert len(STORED_IDS) > 300
    assert_stored_ids(list(STORED_IDS))


@dataclass(config=STRICT, kw_only=True, frozen=True)
class Grown:
    """A group to which a field was added when runs existed."""

    rate: Annotated[float, Role.NUISANCE] = 0.1
    optimizer: Annotated[str, Role.NUISANCE, Since("2026-11-26", before="sgd")] = "adam"
    threads: Annotated[int, Role.INFRASTRUCTURE] = 1


def test_a_later_field_is_no_part_of_the_hash_where_it_means_as_before() -> None:
    assert semantic(Grown(optimizer="sgd")) == {"rate": 0.1}
    assert semantic(Grown()) == {"rate": 0.1, "optimizer": "adam"}


def test_a_file_without_a_later_field_means_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        room, "_children", lambda schema, name: {Grown} if name == "recipe" else set()
    )
    filled = getattr(room, "_as_before")(Config, {"recipe": {"rate": 0.2}})  # noqa: B009
    assert filled == {"recipe": {"rate": 0.2, "optimizer": "sgd"}}


def test_a_stored_config_is_read_as_it_was_written() -> None:
    config = parse({"data": {"name": "folder", "classes": 7}} | SCALES)
    assert parse_stored(plain(config)) == config


def test_how_a_file_is_decoded_and_where_it_lies_tell_no_two_runs_apart() -> None:
    files: dict[str, Any] = {"name": "folder", "root": "/here", "decoder": "auto"}
    one = parse({"data": files} | SCALES)
    other = parse({"data": files | {"root": "/there", "decoder": "pillow"}} | SCALES)
    assert arm_fields(one) == arm_fields(other)
    assert "data.root" not in arm_fields(one)
    assert arm_fields(one)["data.image_size"] == 224


def test_the_seed_is_a_field_of_a_run_and_not_of_its_arm() -> None:
    config = parse({"seed": 3})
    assert semantic_fields(config)["seed"] == 3
    assert semantic_fields(config) == arm_fields(config) | {"seed": 3}


def test_a_division_counts_where_it_changes_numbers() -> None:
    batch = {"norm": {"name": "batch"}}
    assert "trainer.accumulate" not in arm_fields(parse({"trainer": {"accumulate": 2}}))
    assert arm_fields(parse(batch | {"trainer": {"accumulate": 2}}))["trainer.accumulate"] == 2
    local = arm_fields(parse(batch | {"devices": 2, "trainer": {"batch_norm": "local"}}))
    assert (local["trainer.batch_norm"], local["devices"]) == ("local", 2)
    factors: dict[str, Any] = {"head_gradients": "factors"}
    assert arm_fields(parse({"devices": 2, "trainer": factors})) == arm_fields(parse({}))
    rounded = factors | {"compress_gradients": "bf16"}
    assert arm_fields(parse({"trainer": rounded})) == arm_fields(parse({}))
    several = arm_fields(parse({"devices": 2, "trainer": rounded}))
    assert several["trainer.head_gradients"] == "factors"
    assert several["trainer.compress_gradients"] == "bf16"


def test_a_command_gives_a_stored_run_its_infrastructure_and_nothing_else() -> None:
    stored = parse(
        {
            "seed": 5,
            "data": {"name": "folder", "root": "/old", "classes": 7},
            "trainer": {"precision": "bf16", "threads": 8, "accumulate": 2},
        }
        | SCALES
    )
    command = parse(
        {
            "task": {"name": "evaluate"},
            "data": {"name": "folder", "root": "/new", "classes": 9, "decoder": "pillow"},
            "trainer": {"precision": "fp32", "threads": 3},
            "paths": {"data": "elsewhere"},
        }
    )
    made = parse(with_infrastructure_of(stored, command) | {"task": {"name": "train"}})
    assert semantic_fields(made) == semantic_fields(stored)
    assert isinstance(made.data, FolderConfig)
    assert (made.data.root, made.data.decoder) == ("/new", "pillow")
    assert (made.trainer.threads, made.paths.data) == (3, "elsewhere")
    assert made.trainer.accumulate == 2


def test_another_data_set_says_nothing_of_where_this_one_lies() -> None:
    stored = parse({"data": {"name": "folder", "root": "/old"}} | SCALES)
    made = parse(with_infrastructure_of(stored, Config()))
    assert made.data == stored.data
