"""What the environment says of the processes of a run."""

from __future__ import annotations

from vgglab.world import ALONE, World, without_world, world_of

SRUN = {
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
}


def test_alone() -> None:
    assert world_of({}) is None
    assert ALONE.is_alone
    assert ALONE.is_first


def test_torchrun_on_two_nodes() -> None:
    world = world_of({"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"})
    assert world == World(rank=5, local_rank=1, size=8, local_size=4, started_by="torchrun")
    assert (world.nodes, world.node) == (2, 1)


def test_srun_on_two_nodes() -> None:
    world = world_of(SRUN)
    assert world == World(rank=5, local_rank=1, size=8, local_size=4, started_by="srun")


def test_a_batch_script_outside_srun_is_alone() -> None:
    script = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"}
    assert world_of(script) is None


def test_a_run_started_within_another_does_not_believe_to_be_part_of_it() -> None:
    inner = without_world(SRUN | {"RANK": "1", "WORLD_SIZE": "2", "HOME": "/"})
    assert world_of(inner) is None
    assert inner["HOME"] == "/"
    assert inner["SLURM_JOB_ID"] == "7"
