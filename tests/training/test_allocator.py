"""Freed memory is kept: a second round of the same tensors touches no new page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


@pytest.mark.slow
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


HUGE_PAGES = """
import sys
from pathlib import Path
import torch
from vgglab.training.allocator import keep_freed_memory
keep_freed_memory(huge_pages=sys.argv[1] == "huge")
def resident(kind):
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) // 1024 for line in lines if line.startswith(kind))
before = resident("Rss")
held = [torch.ones(2**22) for _ in range(8)]
print(before, resident("Rss"), resident("AnonHugePages"))
"""


def pages_on_request() -> bool:
    """Whether this kernel has pages of 2 MiB for those who ask, and for nobody else."""
    policy = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return policy.exists() and "[madvise]" in policy.read_text(encoding="ascii")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_tensors_lie_in_huge_pages_and_room_kept_for_them_costs_no_memory() -> None:
    huge, small = (
        subprocess.run(
            [sys.executable, "-c", HUGE_PAGES, how], capture_output=True, text=True, check=True
        ).stdout.split()
        for how in ("huge", "small")
    )
    # MiB, of which the tensors are 128. The kernel may be short of whole huge pages.
    if pages_on_request():
        assert int(huge[2]) >= 64
        assert int(small[2]) == 0
    assert int(huge[0]) < int(small[0]) + 32
    assert int(huge[1]) < int(small[1]) + 32
