"""A disk that fills up during training, as a small tmpfs: needs root on Linux."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running import SMALL, Command

from vgglab.config import Config
from vgglab.runs import read_metrics
from vgglab.workflow.failure import reason_of

RUN = (*SMALL, "recipe.epochs=3", "trainer.log_every=4")


def mount(*arguments: str) -> int:
    try:
        return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode
    except FileNotFoundError:
        return 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[int], int]]]:
    """A folder with room for one checkpoint and a half, and a function that gives it so many MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if mount("-t", "tmpfs", "-o", "size=1900k", "tmpfs", str(folder)):
        pytest.skip("cannot mount a tmpfs here")
    yield folder, lambda size: mount("-o", f"remount,size={size}m", str(folder))
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_said_and_loses_nothing(
    small_disk: tuple[Path, Callable[[int], int]], command: Command
) -> None:
    folder, grow = small_disk
    here = (*RUN, f"paths.runs={folder}")
    full = command(*here)
    assert full.returncode == 1
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    (run,) = [path for path in folder.iterdir() if path.is_dir()]
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "failed"
    assert status["reason"].startswith("no space left: ")
    assert status["epoch"] >= 1
    assert len(read_metrics(run / "metrics.jsonl")) >= 4
    assert "no space left" in command("task=runs", f"paths.runs={folder}").stdout
    grow(100)
    again = command(*here)
    assert again.returncode == 0, again.stderr
    history = json.loads((run / "status.json").read_text())["history"]
    assert [attempt["state"] for attempt in history] == ["failed", "finished"]
    assert history[1]["from_epoch"] >= 1
    steps = [record["step"] for record in read_metrics(run / "metrics.jsonl")]
    assert steps == sorted(set(steps))


@pytest.fixture
def few_files(tmp_path: Path) -> Iterator[Path]:
    """A folder that takes a dozen files and folders."""
    folder = tmp_path / "few"
    folder.mkdir()
    if mount("-t", "tmpfs", "-o", "size=100m,nr_inodes=9", "tmpfs", str(folder)):
        pytest.skip("cannot mount a tmpfs here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.slow
def test_a_disk_that_takes_no_more_files_is_said(few_files: Path, command: Command) -> None:
    here = (*RUN, f"paths.runs={few_files}")
    full = command(*here)
    assert full.returncode == 1
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    (run,) = [path for path in few_files.iterdir() if path.is_dir()]
    status = json.loads((run / "status.json").read_text())
    assert (status["state"], status["reason"][:14]) == ("failed", "no space left:")
    assert mount("-o", "remount,nr_inodes=1000", str(few_files)) == 0
    again = command(*here)
    assert again.returncode == 0, again.stderr
    history = json.loads((run / "status.json").read_text())["history"]
    assert [attempt["state"] for attempt in history] == ["failed", "finished"]


def test_out_of_memory_says_what_to_change() -> None:
    message = "[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate "
    error = RuntimeError(message + "memory: you tried to allocate 4000000000000 bytes")
    assert reason_of(error, Config()).startswith("out of memory; trainer.accumulate=2 (4, ...)")
    assert reason_of(ValueError("x\ny"), Config()) == "ValueError: x"
