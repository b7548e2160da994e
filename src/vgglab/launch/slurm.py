"""The points of a sweep as a SLURM job array, and what a point in such a job may ask of SLURM."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vgglab.config.parse import ConfigError
from vgglab.launch.pool import Point

POLL_SECONDS = 5.0


def submit(
    points: Sequence[Point],
    extra_overrides: Sequence[str],
    root: Path,
    options: Mapping[str, Any],
) -> list[str]:
    """Submit a job array, one job a point; returns the jobs' numbers, in order.

    The options are those of hydra-submitit-launcher, and submitit, its engine, writes the batch
    script. Not its own ``launch``: that one pickles the application into the job, always waits,
    and knows nothing of points that are already done.

    Raises:
        ConfigError: there is no SLURM, or it refuses the job.
    """
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    for command in ("sbatch", "srun"):
        if shutil.which(command) is None:
            raise ConfigError(
                f"launcher=slurm: there is no {command} here; run it where jobs are submitted"
            )
    options = dict(options)
    executor = submitit.AutoExecutor(cluster="slurm", folder=options.pop("submitit_folder"))
    options.pop("max_num_timeout")  # submitit's own requeueing: ours looks after the checkpoint
    try:
        executor.update_parameters(**_named_for_submitit(options))
        commands = [point.command(root, extra_overrides) for point in points]
        jobs = executor.map_array(become, commands)
    except (FailedSubmissionError, FailedJobError, ValueError) as error:
        raise ConfigError(f"launcher=slurm: {error}") from error
    return [job.job_id for job in jobs]


def _named_for_submitit(options: Mapping[str, Any]) -> dict[str, Any]:
    """submitit prefixes what only SLURM knows."""
    from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf
    from omegaconf import OmegaConf

    common = set(OmegaConf.structured(BaseQueueConf).keys())
    return {name if name in common else f"slurm_{name}": value for name, value in options.items()}


def become(command: Sequence[str]) -> None:
    """Turn this process of the job into a run's: signals and exit code are then its own."""
    os.environ[POINT] = "1"
    os.execv(command[0], list(command))


POINT = "VGGLAB_SLURM_POINT"
"""Environment variable of a process that ``become`` started."""


def wait_for(jobs: Sequence[str], look: Callable[[], None]) -> None:
    """Return when none of the jobs is waiting or running; look at the runs now and then."""
    arrays = sorted({job.partition("_")[0] for job in jobs})
    while queued(arrays):
        look()
        time.sleep(POLL_SECONDS)
    look()


def queued(arrays: Sequence[str]) -> bool:
    """Whether SLURM still has any job of these arrays to do."""
    listed = subprocess.run(
        ["squeue", "--noheader", "--jobs", ",".join(arrays), "--format", "%i"],
        capture_output=True,
        text=True,
        check=False,  # it fails for jobs that it has forgotten
    )
    return bool(listed.stdout.strip())


def is_slurm_point() -> bool:
    """Whether this process is a point that SLURM started for ``launcher=slurm``."""
    return POINT in os.environ


def job_number() -> str:
    """``12_3``, or ``12`` outside an array; empty outside SLURM."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array:
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID", "")


def starts() -> int:
    """How often SLURM has started this job."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0")) + 1


def requeue() -> bool:
    """Have this job run again; not one that somebody has cancelled."""
    job = job_number()
    state = subprocess.run(
        ["squeue", "--noheader", "--jobs", job, "--format", "%T"],
        capture_output=True,
        text=True,
        check=False,
    )
    if state.stdout.strip() != "RUNNING":
        return False  # cancelled, or SLURM already sees to it
    asked = subprocess.run(["scontrol", "requeue", job], check=False, capture_output=True)
    return asked.returncode == 0


@functools.cache
def has_gpus(partition: str | None) -> bool:
    """Whether SLURM's nodes of a partition, or of the default one, have GPUs."""
    if shutil.which("sinfo") is None:
        return False
    command = ["sinfo", "--noheader", "--format", "%P %G"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        name, _, resources = line.partition(" ")
        wanted = name.endswith("*") if partition is None else name.rstrip("*") == partition
        if wanted and "gpu" in resources:
            return True
    return False
