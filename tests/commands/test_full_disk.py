"""A disk that fills up during training, as a small tmpfs: needs root on Linux."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
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


@contextlib.contextmanager
def disk(folder: Path, options: str) -> Iterator[Path]:
    """The folder as a small file system of its own."""
    folder.mkdir()
    if mount("-t", "tmpfs", "-o", options, "tmpfs", str(folder)):
        pytest.skip("cannot mount a tmpfs here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def failed_for_want_of_room(here: Sequence[str], folder: Path, command: Command) -> Path:
    """Train on such a disk, which must fail and say why; the run's folder."""
    full = command(*here)
    assert full.returncode == 1
    assert "No space left on device" in full.stderr
    assert "Traceback" not in full.stderr
    (run,) = [path for path in folder.iterdir() if path.is_dir()]
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "failed"
    assert status["reason"].startswith("no space left:")
    return run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[int], int]]]:
    """A folder with room for one checkpoint and a half, and a function that gives it so many MB."""
    with disk(tmp_path / "disk", "size=1900k") as folder:
        yield folder, lambda size: mount("-o", f"remount,size={size}m", str(folder))


@pytest.mark.slow
def test_a_full_disk_is_said_and_loses_nothing(
    small_disk: tuple[Path, Callable[[int], int]], command: Command
) -> None:
    folder, grow = small_disk
    here = (*RUN, f"paths.runs={folder}")
    run = failed_for_want_of_room(here, folder, command)
    status = json.loads((run / "status.json").read_text())
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
    with disk(tmp_path / "few", "size=100m,nr_inodes=9") as folder:
        yield folder


@pytest.mark.slow
def test_a_disk_that_takes_no_more_files_is_said(few_files: Path, command: Command) -> None:
    here = (*RUN, f"paths.runs={few_files}")
    run = failed_for_want_of_room(here, few_files, command)
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
