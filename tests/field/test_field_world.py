"""B: rank variables that others left in the environment, or that are not all there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from running import completed

from vgglab.commands.main import exit_code_of
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


SRUN = World(rank=1, local_rank=0, size=2, local_size=1, started_by="srun")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"MASTER_ADDR": "node1"}, "MASTER_PORT is missing: must be a port"),
        ({"MASTER_ADDR": "node1", "MASTER_PORT": "http"}, "MASTER_PORT = http: must be a port"),
        ({"MASTER_ADDR": "node1", "MASTER_PORT": "65536"}, "from 1 to 65535"),
        ({"MASTER_ADDR": " "}, "MASTER_ADDR and SLURM_STEP_NODELIST are missing"),
        (
            {"SLURM_STEP_NODELIST": "gpu[3-5]", "SLURM_JOB_ID": "7"},
            r"scontrol does not say which of gpu\[3-5\] is the first",
        ),
    ],
)
def test_where_they_meet_is_checked(
    variables: dict[str, str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in os.environ if n.startswith(("SLURM", "MASTER"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", str(tmp_path))  # as in a container, which has no scontrol
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WorldError, match=message) as caught:
        find_master(SRUN)
    assert "\n" not in str(caught.value)


def test_two_steps_of_a_job_meet_at_ports_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = set()
    monkeypatch.setenv("MASTER_ADDR", "")  # so that it is put back: it is set below
    for job, step in ((7, "0"), (7, "1"), (8, "0"), (8, "")):
        monkeypatch.setenv("MASTER_ADDR", "")
        monkeypatch.setenv("SLURM_STEP_NODELIST", "gpu3")
        monkeypatch.setenv("SLURM_JOB_ID", str(job))
        monkeypatch.setenv("SLURM_STEP_ID", step)
        monkeypatch.setenv("MASTER_PORT", "")
        find_master(SRUN)
        assert os.environ["MASTER_ADDR"] == "gpu3"
        ports.add(os.environ["MASTER_PORT"])
    assert len(ports) == 3  # older versions of SLURM set no number of a step


@pytest.mark.parametrize(("rank", "code"), [("0", 130), ("1", 0)])
def test_of_sruns_tasks_the_first_tells_of_a_stop(
    rank: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--kill-on-bad-exit`` would end it while it writes its checkpoint and is requeued."""

    def stopped() -> None:
        raise KeyboardInterrupt("SIGTERM")

    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_PROCID", rank)
    monkeypatch.setenv("SLURM_LOCALID", rank)
    assert exit_code_of(stopped) == code


def test_a_command_says_it_in_a_line(tmp_path: Path) -> None:
    said = completed(tmp_path, "task=describe", variables={"RANK": "0", "WORLD_SIZE": "2"})
    assert said.returncode == 2
    assert said.stderr.startswith("error: LOCAL_RANK is missing")
    assert said.stderr.count("\n") == 1
