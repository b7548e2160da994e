"""B: rank variables that others left in the environment, or that are not all there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from running import completed

from vgglab.world import World, WorldError, find_master, world_of


@pytest.mark.parametrize(
    "environment",
    [
        {"WORLD_SIZE": ""},
        {"RANK": "0", "WORLD_SIZE": ""},
        {"RANK": "", "WORLD_SIZE": "2"},
        {"WORLD_SIZE": "2"},
        {"RANK": "1"},
        {"LOCAL_RANK": "1"},
        {"SLURM_PROCID": "0"},
        {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": " "},
    ],
)
def test_remains_that_say_nothing(environment: dict[str, str]) -> None:
    assert world_of(environment) is None


@pytest.mark.parametrize(
    "environment",
    [
        {"RANK": "0", "WORLD_SIZE": "1"},
        {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
    ],
)
def test_one_process_needs_no_local_rank(environment: dict[str, str]) -> None:
    world = world_of(environment)
    assert world is not None
    assert (world.rank, world.local_rank, world.size) == (0, 0, 1)
    assert isinstance(world, World)


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RANK": "1", "WORLD_SIZE": "2"}, "LOCAL_RANK is missing: .* RANK WORLD_SIZE are set"),
        ({"RANK": "2", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "RANK = 2: .* from 0 to 1"),
        ({"RANK": "x", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "RANK = x: must be a whole number"),
        ({"RANK": "-1", "WORLD_SIZE": "2"}, "RANK = -1: must be a whole number"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, "WORLD_SIZE = 0: .* at least 1"),
        (
            {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "0"},
            "LOCAL_WORLD_SIZE = 0",
        ),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, "SLURM_LOCALID is missing"),
    ],
)
def test_what_is_not_clear_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(WorldError, match=message) as caught:
        world_of(environment)
    assert "\n" not in str(caught.value)


def test_where_to_meet_must_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(("SLURM", "MASTER"))]:
        monkeypatch.delenv(name)
    with pytest.raises(WorldError, match="MASTER_ADDR and SLURM_STEP_NODELIST are missing"):
        find_master(World(rank=0, local_rank=0, size=2, local_size=2, started_by="torchrun"))


def test_a_command_says_it_in_a_line(tmp_path: Path) -> None:
    said = completed(tmp_path, "task=describe", variables={"RANK": "0", "WORLD_SIZE": "2"})
    assert said.returncode == 2
    assert said.stderr.startswith("error: LOCAL_RANK is missing")
    assert said.stderr.count("\n") == 1
