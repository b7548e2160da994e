"""The driver of ``make gpu-check``, and all of it in small on a CPU."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from gpu.tables import targets_of
from gpu_check import LOG_LINES, Check, Part, shortened, stages
from running import ROOT


def part(name: str, code: str, *, limit: float = 60, is_alone: bool = True) -> Part:
    return Part(name=name, what="a test", command=("-c", code), limit=limit, is_alone=is_alone)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]


def states(out: Path) -> dict[str, str]:
    return {row["part"]: row["state"] for row in lines(out) if "state" in row}


def test_a_part_that_fails_leaves_the_others_alone(tmp_path: Path) -> None:
    check = Check(tmp_path / "out", tmp_path / "work", budget=60)
    broken = part("broken", "print('{\"seen\": 1}'); raise ValueError('on purpose')")
    assert not check.run([broken, part("whole", "print('{\"seen\": 2}')")])
    assert states(tmp_path / "out") == {"broken": "failed", "whole": "ok"}
    rows = [row for row in lines(tmp_path / "out") if "seen" in row]
    assert rows == [{"part": "broken", "seen": 1}, {"part": "whole", "seen": 2}]
    assert "ValueError: on purpose" in (tmp_path / "out" / "logs.txt").read_text()
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| broken | failed |" in table


@pytest.mark.slow
def test_a_part_that_outlives_its_limit_is_ended_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    child = f"import time; time.sleep(4); open({str(mark)!r}, 'w')"
    code = (
        "import subprocess, sys, time; print('{\"row\": 1}', flush=True); "
        f"subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    )
    check = Check(tmp_path / "out", tmp_path / "work", budget=60)
    begun = time.monotonic()
    assert not check.run([part("slow", code, limit=2)])
    assert time.monotonic() - begun < 30
    assert states(tmp_path / "out") == {"slow": "out of time"}
    assert lines(tmp_path / "out")[0] == {"part": "slow", "row": 1}
    time.sleep(4)
    assert not mark.exists()


def test_what_no_longer_fits_is_left_out_and_named(tmp_path: Path) -> None:
    check = Check(tmp_path / "out", tmp_path / "work", budget=5.5)
    assert check.run([part("first", "import time; time.sleep(1)"), part("later", "raise 1")])
    assert states(tmp_path / "out") == {"first": "ok", "later": "skipped"}
    assert "| later | skipped |" in (tmp_path / "out" / "table.md").read_text()


def test_parts_that_are_not_timed_share_the_machine() -> None:
    names = [
        [one.name for one in stage]
        for stage in stages(
            [
                part("a", "", is_alone=False),
                part("b", "", is_alone=False),
                part("c", ""),
                part("d", "", is_alone=False),
            ]
        )
    ]
    assert names == [["a", "b"], ["c"], ["d"]]


def test_neighbours_run_at_the_same_time(tmp_path: Path) -> None:
    wait = "import pathlib, time\nwhile not pathlib.Path({!r}).exists(): time.sleep(0.05)\n"
    make = "import pathlib; pathlib.Path({!r}).touch()\n"
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    check = Check(tmp_path / "out", tmp_path / "work", budget=60)
    assert check.run(
        [
            part("a", make.format(one) + wait.format(other), is_alone=False, limit=30),
            part("b", make.format(other) + wait.format(one), is_alone=False, limit=30),
        ]
    )


def test_a_log_keeps_the_beginning_of_its_last_traceback() -> None:
    trace = ["Traceback (most recent call last):", *map(str, range(3 * LOG_LINES))]
    kept = shortened(["noise", trace[0], "earlier", *trace])
    assert kept[:2] == trace[:2]
    assert kept[-LOG_LINES:] == trace[-LOG_LINES:]
    assert kept[LOG_LINES] == f"... {LOG_LINES + 1} lines ..."
    assert shortened(trace[:5]) == trace[:5]


@pytest.mark.slow
def test_the_tests_run_without_the_plugins_of_others(tmp_path: Path) -> None:
    """On the first GPU pytest-benchmark warned that xdist was there, and a warning is an error."""
    (tmp_path / "foreign.py").write_text("raise RuntimeError('a plugin of somebody else')")
    facts = tmp_path / "foreign-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign\nVersion: 1\n")
    (facts / "entry_points.txt").write_text("[pytest11]\nforeign = foreign\n")
    marked = tmp_path / "test_marked.py"
    marked.write_text(
        "import pytest\npytestmark = pytest.mark.gpu\n"
        "def test_passes(): pass\ndef test_fails(): assert 0\n"
    )
    places = [str(ROOT / "benchmarks"), str(ROOT / "src"), str(tmp_path)]
    command = ["-m", "gpu.marked_tests", str(marked), "--device", "cpu"]
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=False,
    )
    counts, failed = map(json.loads, ended.stdout.splitlines())
    assert counts == {"passed": 1, "failed": 1, "error": 0, "skipped": 0}, ended.stderr
    assert "test_fails" in failed["test"]
    assert "bringing up nodes" in ended.stderr  # xdist is there all the same
    assert ended.returncode == 1


def test_ratios_are_compared_with_what_was_wanted() -> None:
    steps = [
        {"row": "ours", "net": "d", "batch": 128, "img_s": 300.0, "share_of_peak": 0.5},
        {"row": "reference", "net": "d", "batch": 128, "img_s": 100.0},
        {"row": "ours", "net": "a", "batch": 128, "img_s": 210.0},
        {"row": "ours", "net": "a_lrn", "batch": 128, "img_s": 200.0},
        {"row": "compiled", "net": "d", "batch": 128, "error": "OutOfMemoryError"},
        {"kernel": "sm90_wgrad", "kind": "convolution, by weights", "share": 0.3},
    ]
    assert list(targets_of({"step": steps})) == [
        ["ours over reference", 3.0, "batch 128", ">= 1.5"],
        ["share of the measured matrix peak", 0.5, "batch 128", ">= 0.55"],
        ["A-LRN's step over A's", 1.05, "batch 128", "<= 1.05"],
    ]


def pins(path: Path) -> dict[str, str]:
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, version = line.partition("==")
        if equals and not line.startswith("#"):
            found[re.sub(r"[-_.]+", "-", name).lower()] = version
    return found


def test_the_wheels_are_those_that_ci_runs() -> None:
    wheels = pins(ROOT / "benchmarks" / "gpu" / "wheels.txt")
    constraints = pins(ROOT / ".ci" / "constraints.txt")
    assert len(wheels) > 20
    assert wheels.items() <= constraints.items()


@pytest.mark.slow
def test_it_runs_in_small_on_a_cpu(tmp_path: Path) -> None:
    """Four of its parts; ``gpu_check.py --small`` has all, in five minutes."""
    parts = ["environment", "step", "lrn", "waits"]
    out = tmp_path / "out"
    ended = subprocess.run(
        [
            sys.executable,
            "benchmarks/gpu_check.py",
            "--out",
            str(out),
            "--small",
            "--budget",
            "900",
            "--parts",
            *parts,
        ],
        cwd=ROOT,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert states(out) == dict.fromkeys(parts, "ok"), ended.stdout
    assert ended.returncode == 0
    assert not [row for row in lines(out) if row.get("error")]
    assert {path.name for path in out.iterdir()} == {
        "results.jsonl",
        "table.md",
        "logs.txt",
        "trace.json.gz",
    }
