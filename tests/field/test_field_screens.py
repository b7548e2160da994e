"""What the screen says at 80 columns, in a pipe, and while a run or a study is trained."""

from __future__ import annotations

import io
import re
import time
from pathlib import Path

import pytest
from rich.console import Console
from running import SMALL, completed, heard, on_terminal

from vgglab.launch.pool import Point
from vgglab.launch.screen import StudyScreen, differing
from vgglab.runs import RunDirectory, State, Status, write_result

NAMES = ("a-bn-s0-51f7c9c05120d9b9", "a_lrn-bn-s900-1187d3bd3ed486cd")


def narrow(shown: str) -> str:
    """The text, whose lines fit 80 columns and are nowhere cut."""
    assert not [line for line in shown.splitlines() if len(line) > 80]
    assert "…" not in shown
    return shown


def test_describe_fits_eighty_columns(tmp_path: Path) -> None:
    shown = narrow(on_terminal(tmp_path, "task=describe", "model=e"))
    assert re.search(r"^ *conv5_4 .*2,359,808", shown, flags=re.MULTILINE)
    assert "1,849,688,064" in shown
    assert "parameters without biases" in shown


def test_runs_keep_their_names_at_eighty_columns(tmp_path: Path) -> None:
    why = "on the plateau at step 200: loss 2.302 over 200 steps, ln 10 = 2.303; no gradient"
    for name in NAMES:
        folder = RunDirectory(tmp_path / "runs" / name)
        folder.path.mkdir(parents=True)
        ended = Status(state=State.UNTRAINABLE, epoch=1, epochs=5, reason=why, parent=NAMES[0])
        ended.write(folder.status)
        write_result(folder, {})
    shown = narrow(on_terminal(tmp_path, "task=runs"))
    assert all(re.search(rf"^ *{name} +untrainable +1/5", shown, re.MULTILINE) for name in NAMES)
    assert why in " ".join(shown.split())
    piped = completed(tmp_path, "task=runs").stdout
    assert any(NAMES[1] in line and why[:20] in line for line in piped.splitlines())


def test_a_single_run_says_what_it_does_and_a_line_an_epoch_in_a_pipe(tmp_path: Path) -> None:
    begun = time.monotonic()
    process = heard(tmp_path, *SMALL)
    assert process.stdout is not None
    first = process.stdout.readline()
    waited = time.monotonic() - begun
    assert "loading PyTorch" in first
    rest, complaints = process.communicate()
    # The second bound is for a machine that other things keep busy.
    assert waited < max(3, (time.monotonic() - begun) / 3)
    assert process.returncode == 0, complaints
    said = re.findall(r"^epoch (\d)/2: loss (\S+), validation error (\S+) %, ", rest, re.MULTILINE)
    assert [number for number, *_ in said] == ["1", "2"]
    assert "\x1b" not in rest
    assert "" not in rest.splitlines()


def test_the_bar_of_a_run_begins_at_epoch_one_with_loss_and_error(tmp_path: Path) -> None:
    shown = on_terminal(tmp_path, *SMALL, "trainer.log_every=1")
    assert "epoch 1/2" in shown
    assert "epoch 0" not in shown.lower()
    assert re.search(r"epoch 2/2.*loss \d\.\d+.*error \d+\.\d+ %", shown)


def study(folder: Path) -> list[Point]:
    """Points that differ in a rate and the seed; half of the first is done."""
    points = []
    for index, (rate, seed) in enumerate([("0.1", "0"), ("0.1", "1"), ("0.2", "0")]):
        directory = RunDirectory(folder / f"a-s{seed}-{index:016d}")
        directory.path.mkdir()
        Status(state=State.PENDING, epochs=4).write(directory.status)
        overrides = ("model=a", f"recipe.learning_rate={rate}", f"seed={seed}", "task.ancestor=0")
        points.append(Point(directory, overrides))
    return points


def test_points_are_named_by_what_differs(tmp_path: Path) -> None:
    assert list(differing(study(tmp_path)).values()) == [
        "recipe.learning_rate=0.1 seed=0",
        "recipe.learning_rate=0.1 seed=1",
        "recipe.learning_rate=0.2 seed=0",
    ]
    assert list(differing(study_of_one(tmp_path)).values()) == [""]


def study_of_one(folder: Path) -> list[Point]:
    """A study with nothing that could differ."""
    return [Point(RunDirectory(folder / "a-s0-0"), ("model=a", "seed=0"))]


@pytest.mark.parametrize("columns", [80, 160])
def test_the_live_table_names_points_and_says_when_it_is_done(tmp_path: Path, columns: int) -> None:
    points = study(tmp_path)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=columns, height=40)
    work = {point.directory.id: 1.0 for point in points}
    with StudyScreen("rates", points, console, work) as screen:
        screen.update(points[:1], [])
        time.sleep(0.1)
        Status(state=State.RUNNING, epoch=2, epochs=4).write(points[0].directory.status)
        screen.update(points[:1], [])
    drawn = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    for point in points:
        assert point.directory.id in drawn
    assert "recipe.learning_rate=0.2" in drawn
    assert re.search(r"done at about \d\d:\d\d", drawn)
    if columns == 80:
        narrow(drawn)


def test_lines_of_a_study_say_how_many_are_done_and_until_when(tmp_path: Path) -> None:
    points = study(tmp_path)
    out = io.StringIO()
    with StudyScreen("rates", points, Console(file=out, width=300)) as screen:
        screen.update(points[:1], [])
        Status(state=State.FINISHED, epoch=4, epochs=4).write(points[0].directory.status)
        screen.update(points[1:], points[:1])
    said = out.getvalue().splitlines()
    assert "a-s0-0000000000000000 (recipe.learning_rate=0.1 seed=0): started" in said[0]
    assert re.search(r"1 of 3; done at about \d\d:\d\d", said[-1])
