"""Submits points as a SLURM job array, and asks SLURM about jobs and nodes."""

from __future__ import annotations

import functools
import logging
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vgglab.config.parse import ConfigError
from vgglab.launch.point import SUBMITTED
from vgglab.launch.pool import Point
from vgglab.world import WorldError

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0
FORGOTTEN = "Invalid job id"
"""What squeue says of a single job that has left the queue long ago."""


class NoAnswer(WorldError):
    """SLURM does not answer: no mistake in a config, of which a sweeper could choose another."""


def submit(
    points: Sequence[Point],
    extra_overrides: Sequence[str],
    options: Mapping[str, Any],
) -> list[str]:
    """Submit a job array with one job for each point.

    submitit writes the batch script. The launcher of hydra-submitit-launcher is not used: it
    pickles the application into the job, always waits, and knows nothing of finished points.

    Args:
        points: Points to train.
        extra_overrides: Put before the overrides of each point, which win.
        options: Parameters of submitit, and ``folder``, where it keeps its files.

    Returns:
        The job numbers, in the order of the points.

    Raises:
        ConfigError: there is no SLURM, or it refuses the job.
    """
    if not points:
        return []
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    for command in ("sbatch", "srun"):
        if shutil.which(command) is None:
            raise ConfigError(
                f"launcher=slurm: there is no {command} here; run it where jobs are submitted"
            )
    parameters = dict(options)
    executor = submitit.AutoExecutor(cluster="slurm", folder=parameters.pop("folder"))
    try:
        executor.update_parameters(**parameters)
        commands = [["env", f"{SUBMITTED}=1", *point.command(extra_overrides)] for point in points]
        # Python's own function: one of ours would be imported by the job, from the source as it
        # is then. The command takes the place of the process, and gets the signals of the job.
        jobs = executor.map_array(os.execvp, ["env"] * len(commands), commands)
    except (FailedSubmissionError, FailedJobError, ValueError) as error:
        raise ConfigError(f"launcher=slurm: {error}") from error
    return [job.job_id for job in jobs]


def wait_for(jobs: Sequence[str], update: Callable[[], None]) -> None:
    """Return when none of the jobs is waiting or running; call ``update`` every few seconds.

    While squeue fails they count as queued; that is said once, until it answers again.
    """
    arrays, is_heard = sorted({job.partition("_")[0] for job in jobs}), True
    while True:
        try:
            if not are_queued(arrays):
                break
            is_heard = True
        except NoAnswer as error:
            if is_heard:
                log.warning("%s; asked again every %.0f s", error, POLL_SECONDS)
            is_heard = False
        update()
        time.sleep(POLL_SECONDS)
    update()


def are_queued(arrays: Sequence[str]) -> bool:
    """Whether a job of these arrays is still waiting or running; none is without SLURM.

    Raises:
        NoAnswer: squeue fails, other than for a job that it has forgotten.
    """
    if shutil.which("squeue") is None:
        return False
    return bool(_answer("squeue", "--noheader", "--jobs", ",".join(arrays), "--format", "%i"))


def _answer(*command: str) -> str:
    """What a command of SLURM's prints; nothing for a job that it has forgotten.

    Raises:
        NoAnswer: it fails, with what it said.
    """
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode and FORGOTTEN not in asked.stderr:
        said = " ".join(asked.stderr.split()) or f"exit code {asked.returncode}"
        raise NoAnswer(f"{shlex.join(command)}: {said}")
    return asked.stdout.strip()


def job_number() -> str:
    """Return the number of this job: ``12_3``, ``12`` outside an array, empty outside SLURM."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    if array:
        return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID", "")


def start_count() -> int:
    """Return how often SLURM has started this job."""
    return int(os.environ.get("SLURM_RESTART_COUNT", "0")) + 1


def requeue() -> bool:
    """Have this job run again, unless it was cancelled.

    Returns:
        Whether SLURM accepted the request.
    """
    job = job_number()
    try:
        if _answer("squeue", "--noheader", "--jobs", job, "--format", "%T") != "RUNNING":
            return False  # cancelled, or requeued by SLURM already
    except NoAnswer as error:
        log.warning("%s; it may have been cancelled", error)
        return False
    requeued = subprocess.run(["scontrol", "requeue", job], check=False, capture_output=True)
    return requeued.returncode == 0


@functools.cache
def has_gpus(partition: str | None) -> bool:
    """Whether the nodes of a partition, or of the default partition, have GPUs.

    Raises:
        NoAnswer: sinfo fails.
    """
    if shutil.which("sinfo") is None:
        return False
    for line in _answer("sinfo", "--noheader", "--format", "%P %G").splitlines():
        name, _, resources = line.partition(" ")
        wanted = name.endswith("*") if partition is None else name.rstrip("*") == partition
        if wanted and "gpu" in resources:
            return True
    return False
