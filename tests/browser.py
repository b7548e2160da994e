"""Pages in headless Chromium: what a script made of them, and their pictures.

Now and then Chromium neither shows a page nor ends. It is ended then with all its processes, and
another, with a profile of its own, is asked.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium: apt-get install chromium"
)
ATTEMPTS = 3


def opened(address: str, *flags: str, milliseconds: int = 10_000, patience: float = 60.0) -> str:
    """Open a page and wait for its scripts.

    Args:
        address: the page.
        flags: of Chromium, for example its window or where a picture goes.
        milliseconds: how long its scripts may run, in the page's own time.
        patience: seconds after which Chromium counts as hanging.

    Returns:
        The page's elements as they then are.

    Raises:
        subprocess.TimeoutExpired: every Chromium that was asked hung.
        subprocess.CalledProcessError: Chromium ended with an error.
    """
    assert CHROMIUM
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
        f"--virtual-time-budget={milliseconds}", *flags, "--dump-dom", address,
    ]  # fmt: skip
    for attempt in range(1, ATTEMPTS + 1):
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
            try:
                return _ended([*command, f"--user-data-dir={profile}"], patience)
            except subprocess.TimeoutExpired:
                if attempt == ATTEMPTS:
                    raise
    raise AssertionError("not reached")


def _ended(command: list[str], patience: float) -> str:
    """What a command printed; it and its children are killed where it takes too long."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            printed, complaints = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, printed, complaints)
    return printed
