"""The real command line, as a user runs it, and a config that takes seconds."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pandas as pd
from warm_command import warm_command

from vgglab.study import MEASURED

ROOT = Path(__file__).resolve().parent.parent

SMALL = (
    "model.width=0.0625",
    "norm=batch",
    "recipe.epochs=2",
    "recipe.batch_size=128",
    "recipe.learning_rate=0.02",
    "recipe.schedule.warmup_epochs=0.5",
    "data.classes=6",
    "data.test_fraction=0.1",
    "trainer.precision=fp32",
    "trainer.threads=1",
    "tracking=off",
)
"""Overrides with which a run takes seconds: 3,000 digits, nets of 1/16 width."""

Found = TypeVar("Found")
Command = Callable[..., "subprocess.CompletedProcess[str]"]


def command_line(*overrides: str) -> list[str]:
    """``python run.py ...`` as a list."""
    return [sys.executable, str(ROOT / "run.py"), *overrides]


def command_environment() -> dict[str, str]:
    """This process's environment, with one thread and a wide screen."""
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def another_home(home: Path) -> dict[str, str]:
    """Variables by which a user's home is another folder; the kernels that this one's has built
    stay in use, for to build them takes a minute."""
    usual = os.environ.get("TORCH_EXTENSIONS_DIR") or Path.home() / ".cache" / "torch_extensions"
    return {"HOME": str(home), "TORCH_EXTENSIONS_DIR": str(usual)}


def completed(
    folder: Path,
    *overrides: str,
    variables: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """``python run.py ...`` in a folder, to its end.

    Args:
        folder: where the command is typed.
        overrides: of the command.
        variables: more of them in its environment; it is then started cold, for Python and
            libraries read variables when they start.
        timeout: seconds after which it is killed.
    """
    if variables is None:
        return warm_command(folder, overrides, command_environment(), timeout)
    return subprocess.run(
        command_line(*overrides),
        cwd=folder,
        env=command_environment() | dict(variables),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def started(folder: Path, *overrides: str) -> subprocess.Popen[bytes]:
    """``python run.py ...`` in a folder, begun; nobody reads what it says."""
    return subprocess.Popen(
        command_line(*overrides),
        cwd=folder,
        env=command_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def heard(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    """``python run.py ...`` in a folder, begun; what it says is kept for who asks."""
    return subprocess.Popen(
        command_line(*overrides),
        cwd=folder,
        env=command_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def piped(script: str, folder: Path) -> subprocess.Popen[str]:
    """A Python process of its own that works on a folder, and is told and heard by pipes."""
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(
    condition: Callable[[], Found | None],
    what: str = "it happens",
    *,
    seconds: float = 240,
    every: float = 0.05,
) -> Found:
    """What the condition gives as soon as that is something; asked every so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(every)
    return found


def grid(**values: str) -> tuple[str, ...]:
    """Overrides that make a sweep smaller; ``task=report`` and the like take them too."""
    return tuple(f"hydra.sweeper.params.{name}='{text}'" for name, text in values.items())


def results(folder: Path, study: str) -> pd.DataFrame:
    """What a study's table says of the nets, without what a clock decides."""
    table = pd.read_csv(folder / "studies" / study / "results.csv")
    return table.drop(columns=list(MEASURED))


def stamps(folder: Path) -> dict[Path, int]:
    """When each file of the runs in a folder was last written; locks aside."""
    return {
        path: path.stat().st_mtime_ns
        for path in (folder / "runs").rglob("*")
        if path.is_file() and not path.name.startswith(".lock")
    }


def on_terminal(folder: Path, *overrides: str, columns: int = 80, rows: int = 40) -> str:
    """What ``python run.py ...`` draws on a terminal of a size, without colours and cursor moves.

    Args:
        folder: where the command is typed.
        overrides: of the command.
        columns: width of the terminal.
        rows: height of the terminal.

    Returns:
        All that was written, also what was drawn over later.
    """
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    variables = command_environment() | {"TERM": "xterm-256color"}
    del variables["COLUMNS"]
    process = subprocess.Popen(
        command_line(*overrides), cwd=folder, env=variables, stdout=writer, stderr=writer
    )
    os.close(writer)
    drawn = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(reader, 65_536):
            drawn += piece
    os.close(reader)
    assert process.wait() == 0, drawn.decode()
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode()).replace("\r", "\n")
