"""A study looked at by its launcher: it stops by itself, and goes on where it was killed."""

from __future__ import annotations

import io
import json
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console
from running import SMALL, Command, completed, grid, stamps, started, wait_for

from vgglab.config import Config
from vgglab.launch.pool import Point
from vgglab.runs import claim as claims
from vgglab.runs.lines import read_lines
from vgglab.study.ledger import look_line
from vgglab.workflow import train_points
from vgglab.workflow.points import StudyPoint
from vgglab.workflow.pretraining import stage_of

RATES = ("0.05", "0.0005", "0.04")
"""Learning rates: the second net learns little, the others learn alike."""


def claim(direction: str, first: str, second: str, **fields: Any) -> str:
    """A claim on two learning rates, as Hydra reads it from a command line."""
    more = "".join(f", {name}: {value}" for name, value in fields.items())
    sides = ", ".join(f"{{recipe.learning_rate: {rate}}}" for rate in (first, second))
    return f"{{statement: of two rates, direction: {direction}, compare: [{sides}]{more}}}"


LEARNS = claim("lower", RATES[0], RATES[1], margin=0.8, margin_reason="any gain would do")
ALIKE = claim("equal", RATES[0], RATES[2], margin=0.001, margin_reason="too small to be shown")
STUDY = (
    *(override for override in SMALL if not override.startswith("recipe.learning_rate")),
    "sweeps=lrn",
    "study.name=looked",
    "study.looks=[3,4]",
    "data=digits",
    "recipe=quick",
    "recipe.epochs=1",
    "recipe.batch_size=32",
    "launcher.jobs=2",
    "claims=none",
    *grid(model="a", seed="range(4)"),
)


def rates(*values: str) -> str:
    """Learning rates as a part of the grid."""
    return f"+hydra.sweeper.params={{recipe.learning_rate: '{','.join(values)}'}}"


ONE = (*STUDY, rates(*RATES[:2]), f"+claims={{learns: {LEARNS}}}")
TWO = (*STUDY, rates(*RATES), f"+claims={{learns: {LEARNS}, alike: {ALIKE}}}")


def states(folder: Path) -> dict[str, str]:
    """Run -> its state."""
    found = folder.glob("runs/*/status.json")
    return {path.parent.name: json.loads(path.read_text())["state"] for path in found}


def looks(folder: Path) -> list[int | None]:
    """The looks in the ledger."""
    return [look_line(line).look for line in read_lines(folder / "studies/looked/looks.jsonl")]


@pytest.mark.slow
def test_it_stops_by_itself_before_its_last_look(tmp_path: Path, command: Command) -> None:
    looked = (*ONE, "study.placebo=true")
    ended = command("-m", *looked, timeout=1200)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "look 1 of 2: 3 seeds, 9 points to train" in ended.stdout  # 3 are of the null arm
    assert "6 of 8 runs used: every claim has its word" in ended.stdout
    assert looks(tmp_path) == [1]
    assert list(states(tmp_path).values()) == ["finished"] * 9
    folder = tmp_path / "studies" / "looked"
    record = json.loads((folder / "claims.json").read_text())
    assert record["placebo"]["other_seeds"] == [1000, 1001, 1002]
    page = (folder / "report.md").read_text()
    assert "6 of 8 points finished; 2 not needed." in page
    assert "declared before its runs" in page

    before = stamps(tmp_path)
    again = command("-m", *looked)
    assert again.returncode == 0, again.stdout + again.stderr
    assert (stamps(tmp_path), looks(tmp_path)) == (before, [1])
    listed = command("task=runs", "format=csv", *looked)
    assert listed.stdout.count("not needed") == 2, listed.stdout + listed.stderr
    plan = command("task=plan", *looked).stdout
    assert "8 points, 6 already done, 2 not needed, seeds 0, 1, 2, 3;" in plan
    assert "still to be trained" not in plan
    # Code that is new since then trains none of the dropped points: there is nothing to mix.
    for path in (tmp_path / "runs").glob("*/status.json"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r'"source": "\w+"', '"source": "feed5eed"', text), encoding="utf-8")
    for later in (("-m",), ("task=plan",)):
        ended = command(*later, *looked)
        assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout

    changed = ("claims.learns.margin=2", "claims.learns.margin_reason=later")
    ended = command("task=report", *looked, *changed)
    assert ended.returncode == 0, ended.stderr
    page = (folder / "report.md").read_text()
    assert "margin was 0.8 when declared, changed to 2 after 6 of 8 runs" in page
    assert len(read_lines(folder / "declared.jsonl")) == 2
    assert looks(tmp_path) == [1, 1]  # another question of the same runs is another look at them


@pytest.mark.slow
def test_killed_between_looks_two_hosts_go_on_with_what_is_open(
    tmp_path: Path, datasets: Path
) -> None:
    arguments = (f"paths.data={datasets}", "-m", *TWO)
    first = started(tmp_path, *arguments)
    wait_for(lambda: looks(tmp_path) == [1], "the first look is over", seconds=1200)
    children = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.wait()
    assert not psutil.wait_procs(children, timeout=60)[1]
    # A point of the next look that was killed at once has a folder and no state yet.
    killed = states(tmp_path)
    done = {
        path: stamp
        for path, stamp in stamps(tmp_path).items()
        if killed.get(path.relative_to(tmp_path / "runs").parts[0]) == "finished"
    }
    assert {state for name, state in killed.items() if "-s3-" not in name} == {"finished"}

    ended = completed(tmp_path, *arguments, "study.minutes=0.01")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "9 of 12 runs used: its minutes are over (" in ended.stdout
    assert looks(tmp_path) == [1]

    both = [started(tmp_path, *arguments) for _ in range(2)]
    assert [process.wait(timeout=1200) for process in both] == [0, 0]
    assert done.items() <= stamps(tmp_path).items()
    assert looks(tmp_path) == [1, 2]
    # The net that learns little was dropped after the first look: its claim had its word.
    assert sorted(states(tmp_path).values()) == ["finished"] * 11
    ended = completed(tmp_path, *arguments)
    assert ended.returncode == 0
    assert "11 of 12 runs used: the looks are over, open: " in ended.stdout


@pytest.mark.slow
def test_more_looks_than_the_grid_has_seeds_for_are_refused(command: Command) -> None:
    ended = command("-m", *ONE, "study.looks=[3,5]")
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(
        "error: study.looks = [3, 5]: the last look needs 5 seeds and the grid has 4"
    )


@pytest.mark.slow
def test_a_null_arm_among_the_grids_own_seeds_is_refused(command: Command) -> None:
    ended = command("-m", *ONE, "study.looks=[2]", "study.placebo=true", *grid(seed="0,1000"))
    assert ended.returncode == 2
    assert "seed 1000 is the grid's own" in ended.stderr


def test_a_point_that_another_host_trains_is_waited_for(
    small_config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_points, "OTHERS_SECONDS", 0.05)
    stage = stage_of(small_config)
    folder = stage.directory.path
    folder.mkdir(parents=True)
    (folder / ".lock").touch()
    theirs = folder / ".lock.1"
    theirs.write_text(json.dumps({"machine": "another/boot", "pid": 1}))
    point = StudyPoint(Point(stage.directory, ()), stage)
    console = Console(file=io.StringIO())
    released = threading.Timer(1.0, lambda: os.utime(theirs, (claims.RELEASED, claims.RELEASED)))
    released.start()
    begun = time.monotonic()
    assert train_points.wait_for_others([point], console)
    assert time.monotonic() - begun > 0.8
    assert not train_points.wait_for_others([point], console)  # it is free now: nobody trains it
