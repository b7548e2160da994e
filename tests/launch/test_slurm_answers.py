"""What SLURM's commands answer when they fail, by programs that stand in for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vgglab.launch import slurm

AWAY = "echo 'slurm_load: Unable to contact slurm controller' >&2; exit 1"
FORGOTTEN = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"
Answer = Callable[[str, str], None]


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answer]:
    """Has a command answer what a line of shell says."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(slurm, "POLL_SECONDS", 0.01)

    def stand_in(command: str, line: str) -> None:
        (tmp_path / command).write_text(f"#!/bin/sh\ncd {tmp_path}\n{line}\n")
        (tmp_path / command).chmod(0o755)

    slurm.has_gpus.cache_clear()
    yield stand_in
    slurm.has_gpus.cache_clear()


def test_a_job_is_gone_where_slurm_says_so(answer: Answer) -> None:
    answer("squeue", "echo 12_0")
    assert slurm.are_queued(["12"])
    answer("squeue", "exit 0")
    assert not slurm.are_queued(["12"])
    answer("squeue", FORGOTTEN)
    assert not slurm.are_queued(["12"])


@pytest.mark.parametrize(
    ("line", "said"), [(AWAY, "Unable to contact slurm controller"), ("exit 7", "exit code 7")]
)
def test_a_query_that_fails_says_nothing_of_jobs_and_gpus(
    line: str, said: str, answer: Answer
) -> None:
    answer("squeue", line)
    answer("sinfo", line)
    with pytest.raises(slurm.NoAnswer, match=f"squeue --noheader --jobs 12 .*{said}"):
        slurm.are_queued(["12"])
    with pytest.raises(slurm.NoAnswer, match=f"sinfo --noheader .*{said}"):
        slurm.has_gpus(None)
    answer("sinfo", "echo 'main* gpu:h200:8'")
    assert slurm.has_gpus(None)


def test_jobs_are_waited_for_while_slurm_is_away(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    """Away, in the queue, away, gone; each time that it is away for a while, one line."""
    answer(
        "squeue",
        f"echo >> asked; case $(wc -l < asked) in [1-3]|[5-6]) {AWAY};; 4) echo 12_0;; "
        f"*) {FORGOTTEN};; esac",
    )
    looks: list[None] = []
    slurm.wait_for(["12_0"], lambda: looks.append(None))
    assert len(looks) == 7
    assert len(caplog.messages) == 2
    assert "Unable to contact" in caplog.messages[0]


def test_a_job_whose_state_cannot_be_had_is_not_requeued(
    answer: Answer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    answer("scontrol", "exit 0")
    answer("squeue", AWAY)
    assert not slurm.requeue()
    assert "Unable to contact" in caplog.text
    answer("squeue", "echo RUNNING")
    assert slurm.requeue()
