"""A finished study: trained once, shared, planned from, and refused where code has changed."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import SMALL, completed, grid, results, stamps

NETS = grid(model="a", seed="0,1")


@dataclass(frozen=True)
class TwoSeeds:
    """Two seeds of one net, trained as ``-m sweeps=lrn``."""

    folder: Path
    datasets: Path

    def again(self, *overrides: str) -> subprocess.CompletedProcess[str]:
        """The study's command in its folder once more, with other overrides after its own."""
        study = (
            *SMALL,
            "sweeps=lrn",
            "data.test_images=4000",
            "recipe.epochs=1",
            "launcher.jobs=2",
        )
        chosen = {item.partition("=")[0]: item for item in (*NETS, *overrides)}
        return completed(self.folder, f"paths.data={self.datasets}", *study, *chosen.values())


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> TwoSeeds:
    """The study, finished; no test trains in its folder."""
    study = TwoSeeds(tmp_path_factory.mktemp("two_seeds"), datasets)
    ended = study.again("-m")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return study


def test_a_second_time_trains_nothing(two_seeds: TwoSeeds) -> None:
    before, table = stamps(two_seeds.folder), results(two_seeds.folder, "lrn")
    begun = time.monotonic()
    ended = two_seeds.again("-m")
    assert "study lrn: 2 points, 2 already done" in ended.stdout
    assert stamps(two_seeds.folder) == before
    assert results(two_seeds.folder, "lrn").equals(table)
    assert time.monotonic() - begun < 60  # no point was started: each loads torch


def test_the_end_of_the_screen_says_what_was_found(two_seeds: TwoSeeds) -> None:
    swept, reported = two_seeds.again("-m").stdout, two_seeds.again("task=report").stdout
    *found, path = swept.partition("\n2 of 2 points finished.\n")[2].splitlines()
    assert reported.splitlines()[1:] == ["2 of 2 points finished.", *found, path]
    assert path == "report: studies/lrn/report.html"
    _, header, net, *_ = found
    assert " ".join(header.split()) == "net layers error, % 95% interval seeds min/run"
    mean = results(two_seeds.folder, "lrn")["top1_error"].mean()
    assert net.split()[:3] == ["A", "11", f"{mean:.2f}"]
    assert net.split()[-2] == "2"
    assert "No claim was put to this study." in found  # A-LRN has no points
    assert max(map(len, found)) <= 80


def test_another_study_shares_the_runs(two_seeds: TwoSeeds) -> None:
    ended = two_seeds.again("-m", "study.name=other", *grid(seed="0"))
    assert "study other: 1 points, 1 already done" in ended.stdout
    assert (two_seeds.folder / "studies" / "other" / "report.html").exists()


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


def test_its_runs_compared_with_each_other(two_seeds: TwoSeeds) -> None:
    """With the fingerprint of their data, of which their ids are made, and their predictions."""
    runs = sorted(path.parent.name for path in two_seeds.folder.glob("runs/*/config.yaml"))
    data = f"paths.data={two_seeds.datasets}"
    ended = completed(two_seeds.folder, "task=diff", f"run=[{','.join(runs)}]", data, "format=json")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert found["data"][0] == found["data"][1] != ""
    assert [change["field"] for change in found["fields"]] == ["seed"]
    (error,) = found["errors"]
    counts = [error["images"][n] for n in ("both_right", "only_first", "only_second", "both_wrong")]
    assert sum(counts) == error["images"]["images"] > 0
    assert error["images"]["difference"] == pytest.approx(error["difference"], abs=1e-3)
