"""Chains of runs from the command line: in a sweep, killed, resumed, at the same time, broken."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from image_folder import write_image_folder
from running import SMALL, Command, completed, started, wait_for

from vgglab.runs import RunDirectory, read_metrics

CHAIN = (
    *SMALL,
    "model=d",
    "init=from_run",
    "init.parent={recipe:{learning_rate:0.02},init:{name:pretrained_a}}",
)
TWO_CHILDREN = (*CHAIN, "-m", "study.name=chain", "recipe.learning_rate=0.001,0.002")


def statuses(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        path.parent.name: json.loads(path.read_text()) for path in folder.glob("runs/*/status.json")
    }


def generations(folder: Path) -> list[list[dict[str, Any]]]:
    """Statuses of A, of the D that starts from it, and of those that start from that one."""
    found = statuses(folder)
    level, levels = [""], []
    while members := {name: s for name, s in found.items() if s["parent"] in level}:
        level = list(members)
        levels.append(list(members.values()))
    return levels


@pytest.mark.slow
def test_two_children_of_one_parent_killed_in_the_middle_and_run_again(
    tmp_path: Path, command: Command, datasets: Path
) -> None:
    sweep = (f"paths.data={datasets}", *TWO_CHILDREN, "launcher.jobs=2", "recipe.epochs=3")
    launcher = started(tmp_path, *sweep)

    def parent_at_work() -> dict[str, Any] | None:
        levels = generations(tmp_path)
        working = [s for s in (levels[1] if len(levels) > 1 else []) if s["state"] == "running"]
        return next((s for s in working if s["epoch"] >= 1), None)

    victim = wait_for(parent_at_work)
    a, (d,), children = generations(tmp_path)
    assert a[0]["state"] == "finished"
    assert {child["state"] for child in children} == {"pending"}
    assert {child["reason"] for child in children} == {f"starts from {children[0]['parent']}"}
    os.kill(victim["pid"], signal.SIGKILL)
    assert launcher.wait(timeout=240) == 1
    a, (d,), children = generations(tmp_path)
    assert (d["state"], {child["state"] for child in children}) == ("interrupted", {"pending"})

    again = command(*TWO_CHILDREN, "launcher.jobs=2", "recipe.epochs=3")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "study chain: 2 points, 0 already done" in again.stdout
    assert "1 runs that others start from come first" in again.stdout  # A is done
    levels = generations(tmp_path)
    assert [[s["attempts"] for s in level] for level in levels] == [[1], [2], [1, 1]]
    assert {s["state"] for level in levels for s in level} == {"finished"}

    ledger = command("task=runs").stdout
    assert "starts from" in ledger
    rows = json.loads(command("task=runs", "format=json").stdout)
    assert sum(bool(row["parent"]) for row in rows) == 3
    table = (tmp_path / "studies/chain/results.csv").read_text()
    assert table.count(children[0]["parent"]) == 2
    assert "starts from" in (tmp_path / "studies/chain/report.html").read_text()
    assert "2 points, 2 already done" in command(*TWO_CHILDREN, "recipe.epochs=3").stdout


@pytest.mark.slow
def test_two_commands_at_once_train_their_parent_once(tmp_path: Path, datasets: Path) -> None:
    pretrained = (f"paths.data={datasets}", *SMALL, "init=pretrained_a")
    both = [started(tmp_path, *pretrained, f"model={name}") for name in ("d", "e")]
    assert [process.wait(timeout=240) for process in both] == [0, 0]
    (a,), children = generations(tmp_path)
    assert (a["attempts"], [child["attempts"] for child in children]) == (1, [1, 1])


@pytest.mark.slow
def test_a_failed_parent_and_then_a_mended_one(tmp_path: Path, command: Command) -> None:
    study = (*SMALL, "-m", "study.name=chain", "model=d,e", "init=pretrained_a", "recipe.epochs=1")
    assert command(*SMALL, "init=gaussian", "recipe.epochs=1").returncode == 0
    (a,) = (tmp_path / "runs").iterdir()
    for name in ("status.json", "result.json", "predictions/center.parquet"):
        (a / name).unlink()
    (a / "predictions").rmdir()
    (a / "predictions").write_text("a file where a folder must be")
    ended = command(*study)
    assert ended.returncode == 1
    assert f"{a.name}: failed: " in ended.stdout
    assert ended.stdout.count(f"failed: its parent {a.name} has failed") >= 2
    (a / "predictions").unlink()
    assert command(*study).returncode == 0
    assert {status["state"] for status in statuses(tmp_path).values()} == {"finished"}


@pytest.mark.slow
def test_several_processes_train_a_chain_too(tmp_path: Path, command: Command) -> None:
    ended = command(*CHAIN, "recipe.epochs=1", "trainer=ddp", "devices=2")
    assert (ended.returncode, ended.stderr) == (0, "")
    levels = generations(tmp_path)
    assert [len(level) for level in levels] == [1, 1, 1]
    assert all(s["history"][0]["devices"] == 2 for level in levels for s in level)
    # Synchronised batch norm: one device computes the same runs.
    assert ": already finished; " in command(*CHAIN, "recipe.epochs=1").stdout


def stage(scale_min: int, scale_max: int, init: str) -> str:
    return f"recipe:{{scale_min:{scale_min},scale_max:{scale_max}}},init:{init}"


@pytest.mark.slow
def test_the_papers_stages_on_image_files_killed_once_end_with_the_same_bits(
    tmp_path: Path, datasets: Path
) -> None:
    """A, D from A, D at a larger S from that, D with jitter from that (paper, section 3.1)."""
    images = write_image_folder(tmp_path / "images", 300)
    first = stage(36, 36, "{name:pretrained_a}")
    larger = stage(44, 44, f"{{name:from_run,parent:{{{first}}}}}")
    chain = (
        *("model=d", "model.width=0.0625", "norm=batch", f"paths.data={datasets}"),
        *("data=folder", f"data.root={images}", "data.image_size=32", "data.flip=false"),
        *("init=from_run", f"init.parent={{{larger}}}", "recipe.scale_min=36"),
        *("recipe.scale_max=52", "recipe.epochs=3", "recipe.batch_size=32"),
        *("trainer.precision=fp32", "trainer.threads=1", "tracking=off"),
        "trainer.keep_checkpoints=all",  # the last nets are compared, not those that are tested
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    undisturbed = completed(whole, *chain)
    assert (undisturbed.returncode, undisturbed.stderr) == (0, "")

    victim = started(cut, *chain)
    wait_for(lambda: third_stage_after_an_epoch(cut), "the third stage has an epoch behind it")
    victim.kill()
    victim.wait()
    again = completed(cut, *chain)
    assert again.returncode == 0, again.stdout + again.stderr

    ended = [generations(folder) for folder in (whole, cut)]
    assert [[s["state"] for s in level] for level in ended[1]] == [["finished"]] * 4
    assert [level[0]["attempts"] for level in ended[1]] == [1, 1, 2, 1]
    assert len(statuses(whole)) == 4
    for name in statuses(whole):
        runs = [RunDirectory(folder / "runs" / name) for folder in (whole, cut)]
        one, other = (
            torch.load(run.last_checkpoint, weights_only=True)["state_dict"] for run in runs
        )
        assert all(torch.equal(one[key], other[key]) for key in one)
        losses = [[r.get("train/step_loss") for r in read_metrics(run.metrics)] for run in runs]
        assert losses[0] == losses[1]


def third_stage_after_an_epoch(folder: Path) -> bool:
    levels = generations(folder)
    return len(levels) > 2 and levels[2][0]["epoch"] >= 1
