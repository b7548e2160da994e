"""Freed memory is kept: a second round of the same tensors touches no new page."""

from __future__ import annotations

import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import torch
from vgglab.training.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(int(sys.argv[2])):
    torch.ones(2**24)
before = faults()
for _ in range(10):
    torch.ones(2**24)
print(faults() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_a_second_round_touches_no_new_page() -> None:
    kept, default = (
        int(
            subprocess.run(
                [sys.executable, "-c", FAULTS, how, "10"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for how in ("kept", "default")
    )
    # 10 tensors of 64 MiB are 163,840 pages of 4 KiB, or 320 of 2 MiB.
    assert default >= 300
    assert kept < default / 10
