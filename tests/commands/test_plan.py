"""Before launch: confounds stop it, and task=plan says what it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import SMALL, Command, grid
from two_seeds import NETS, TwoSeeds

STUDY = (*SMALL, "sweeps=lrn", "recipe.epochs=1", "launcher.jobs=2")


def test_a_tied_difference_stops_the_launch_with_one_line(command: Command, tmp_path: Path) -> None:
    tied = ("-m", *STUDY, "seed=0", "model=a", "model.width=0.0625,0.125")
    ended = command(*tied, "recipe.learning_rate=${model.width}")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "recipe.learning_rate: 0.0625 (model.width 0.0625), 0.125 (model.width" in ended.stderr
    assert "study.allow_confounds=true" in ended.stderr
    assert not (tmp_path / "runs").exists()


def test_a_declaration_of_no_field_is_the_users_mistake(command: Command) -> None:
    ended = command("-m", *STUDY, *NETS, "study.nuisance=[recipe.rate]")
    assert ended.returncode == 2
    assert "study.nuisance = recipe.rate: no point has it" in ended.stderr


@pytest.mark.slow
def test_runs_of_other_code_are_not_compared_unless_allowed(two_seeds: TwoSeeds) -> None:
    (path,) = (two_seeds.folder / "runs").glob("a-bn-s1-*/status.json")
    original = path.read_text(encoding="utf-8")
    try:
        status = json.loads(original)
        other = {"commit": "0123456789abcdef0123", "source": ""}
        status |= other
        status["history"][-1] |= other
        path.write_text(json.dumps(status), encoding="utf-8")
        refused = two_seeds.again("-m")
        assert refused.returncode == 2
        assert "code.version: source " in refused.stderr
        assert "commit 0123456789ab (a-bn-s1-" in refused.stderr
        reported = two_seeds.again("task=report")
        assert reported.returncode == 0
        assert "confounded: " in reported.stderr
        allowed = two_seeds.again("-m", "study.allow_confounds=true")
        assert allowed.returncode == 0
        text = (two_seeds.folder / "studies" / "lrn" / "report.md").read_text(encoding="utf-8")
        assert "Confounded: points also differ in code.version" in text
        assert "study.allow_confounds=true" in text
    finally:
        path.write_text(original, encoding="utf-8")


def test_a_plan_estimates_from_finished_runs(two_seeds: TwoSeeds) -> None:
    ended = two_seeds.again("task=plan", *grid(seed="0,1,2,3"), "recipe.epochs=4", "format=json")
    assert ended.returncode == 0, ended.stderr
    plan = json.loads(ended.stdout)
    # Of another length: none of the four is done, and each is four of the finished ones' epochs.
    assert (plan["points"], plan["done"], plan["seeds"]) == (4, 0, [0, 1, 2, 3])
    measured = plan["waiting"][0]["measurement"]
    assert measured["source"] == "2 finished runs"
    assert plan["waiting"][0]["seconds"] == pytest.approx(
        measured["fixed_seconds"] + 4 * measured["epoch_seconds"]
    )
    assert measured["disk_bytes"] > 100_000
    assert plan["total"]["memory_mib"] == pytest.approx(2 * measured["memory_mib"])


@pytest.mark.slow
def test_a_plan_without_runs_times_a_few_steps(command: Command, tmp_path: Path) -> None:
    ended = command("task=plan", *STUDY, *NETS, "format=json")
    assert ended.returncode == 0, ended.stderr
    (first, second) = json.loads(ended.stdout)["waiting"]
    assert first["measurement"] == second["measurement"]
    assert first["measurement"]["source"] == "pilot"
    assert 2 < first["measurement"]["fixed_seconds"] < 120
    assert 300 < first["measurement"]["memory_mib"] < 4000
    assert not list(tmp_path.glob("runs/*/result.json"))


@pytest.mark.slow
def test_nets_of_absent_data_are_estimated_at_every_scale(command: Command) -> None:
    rows = grid(experiments="table3_c_256,table3_c_384")
    ended = command(
        "task=plan", "sweeps=paper", *rows, "model.width=0.03125", "claims=none", "format=json"
    )
    assert ended.returncode == 0, ended.stderr
    plan = json.loads(ended.stdout)
    found = [point["measurement"] for point in plan["waiting"]]
    assert {measurement["source"] for measurement in found} == {"arithmetic"}
    assert {point["net"][:2] for point in plan["waiting"]} == {"a,", "c,"}  # C starts from A
    (note,) = plan["notes"]
    assert note.startswith("a, norm none, width 0.03125; c, norm none, width 0.03125: estimated")


@pytest.mark.slow
def test_two_processes_agree_that_a_net_is_untrainable(command: Command, tmp_path: Path) -> None:
    plain = ("norm=none", "init=gaussian", "recipe.untrainable_after=50", "recipe.epochs=9")
    ended = command(*SMALL, *plain, "trainer=ddp", "devices=2")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (path,) = (tmp_path / "runs").glob("*/status.json")
    status = json.loads(path.read_text(encoding="utf-8"))
    assert status["state"] == "untrainable"
    assert "on the plateau at step 50" in status["reason"]
