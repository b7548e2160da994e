"""A Chromium that hangs is ended with its children, and another is asked."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import browser
import pytest

pytestmark = pytest.mark.slow
# It notes each start and its child, and hangs for as many times as its first line says.
HANGING = f"""#!{sys.executable}
import pathlib, subprocess, sys, time
HANGS = {{hangs}}
starts = pathlib.Path(__file__).with_suffix(".starts")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
profile = next(word for word in sys.argv if word.startswith("--user-data-dir="))
with starts.open("a") as kept:
    kept.write(f"{{{{child.pid}}}} {{{{profile}}}}\\n")
if len(starts.read_text().splitlines()) <= HANGS:
    time.sleep(60)
child.kill()
print("<html>shown</html>")
"""


def hanging(folder: Path, hangs: int) -> Path:
    program = folder / "chromium"
    program.write_text(HANGING.format(hangs=hangs), encoding="utf-8")
    program.chmod(0o755)
    return program


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def started(folder: Path) -> list[tuple[int, str]]:
    lines = (folder / "chromium.starts").read_text().splitlines()
    return [(int(pid), profile) for pid, profile in (line.split() for line in lines)]


def all_ended(folder: Path) -> bool:
    deadline = time.monotonic() + 10
    while any(alive(pid) for pid, _ in started(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(alive(pid) for pid, _ in started(folder))


def test_another_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "CHROMIUM", str(hanging(tmp_path, hangs=1)))
    assert "shown" in browser.opened("about:blank", patience=5)
    (_, first), (_, second) = started(tmp_path)
    assert first != second
    assert all_ended(tmp_path)


def test_one_that_always_hangs_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "CHROMIUM", str(hanging(tmp_path, hangs=9)))
    with pytest.raises(subprocess.TimeoutExpired):
        browser.opened("about:blank", patience=2)
    assert len(started(tmp_path)) == browser.ATTEMPTS
    assert all_ended(tmp_path)
