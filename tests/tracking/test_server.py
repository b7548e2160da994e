"""Against a W&B-protocol server on loopback: what it holds is what is on disk.

Needs openwandb in a virtual environment of its own (``make wandb-server``).
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from pathlib import Path

import pytest
from offline_file import CARD
from running import SMALL, grid, wait_for
from wandb_server import (
    MISSING,
    STUDY,
    TOOLS,
    Lab,
    Server,
    assert_same,
    assert_same_summary,
    rows_on_disk,
)  # fmt: skip

from vgglab.config import TrackingConfig
from vgglab.tracking.local_files import is_uploaded, offline_attempts, upload
from vgglab.tracking.wandb_run import WandbSink

pytestmark = [
    pytest.mark.wandb_server,
    pytest.mark.skipif(not (TOOLS / "bin" / "openwandb").exists(), reason=MISSING),
]


def test_a_study_online_is_what_is_on_disk(study: Lab, server: Server) -> None:
    assert len(study.runs()) == 6
    for run in study.runs():
        assert_same(run, server, "online")
    of_study = server.runs("online")
    assert of_study.keys() == {run.name for run in study.runs()} | {"report-quickstart"}
    about = of_study[study.runs()[0].name]
    cfg = about["config"]["cfg"]["value"]
    assert cfg["study"]["name"] == "quickstart"
    assert about["config"]["cfg/study/name"]["value"] == "quickstart"  # as a column
    assert cfg["net"]["weight_layers"] == 11
    assert about["display_name"] == f"{cfg['arm']}-s{cfg['seed']}"
    assert {"data-digits"} <= {a["name"] for a in server.artifacts(about["run_id"])}


def test_the_address_of_a_run_is_said(lab: Lab, server: Server) -> None:
    # openwandb knows a run by its id alone, and adds the rows of a second one: a seed of its own.
    small = (*(field for field in SMALL if field != "tracking=off"), "seed=8", "recipe.epochs=1")
    said = lab.run(*small, "tracking=online", "tracking.project=said")
    (run,) = lab.runs()
    assert f"W&B: {server.url}/default/said/runs/{run.name}" in said.splitlines()


def test_the_studys_own_run_has_tables_charts_figures_and_the_page(
    study: Lab, server: Server
) -> None:
    names = server.files("report-quickstart")
    for start in ("media/table/tables/results", "media/table/tables/errors", "media/html/report"):
        assert any(name.startswith(start) for name in names), names
    assert any(name.startswith("media/images/figures/") for name in names)
    assert any("charts/lrn" in name for name in names)
    links = f"{server.url}/default/online/runs/{study.runs()[0].name}"
    notes = server.runs("online")["report-quickstart"]["notes"]
    assert links in notes


def test_a_report_made_again_updates_the_run_of_the_last(study: Lab, server: Server) -> None:
    before = server.runs("online").keys()
    study.run("task=report", *STUDY)
    assert server.runs("online").keys() == before
    kept = (study.folder / "studies" / "quickstart" / "wandb").glob("run-*-report-quickstart")
    assert len(list(kept)) == 1


def kill_in_the_middle(lab: Lab, *overrides: str) -> Path:
    """Start a run and kill it once it has a checkpoint of an epoch and rows beyond."""
    process = lab.start(*overrides)

    def half_done() -> bool:
        statuses = [json.loads(p.read_text()) for p in lab.folder.glob("runs/*/status.json")]
        return any(status["epoch"] >= 2 for status in statuses)

    wait_for(half_done, seconds=120)
    time.sleep(1.0)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (run,) = lab.runs()
    assert json.loads((run / "status.json").read_text())["state"] == "running"
    return run


LONG = (*SMALL, "recipe.epochs=12", "trainer.log_every=5")


def test_killed_resumed_and_synced_is_complete(lab: Lab, server: Server) -> None:
    choices = (*LONG, "tracking=offline", "tracking.project=synced")
    run = kill_in_the_middle(lab, *choices)
    said = lab.run("task=sync", "tracking.project=synced")
    assert "0 of 1 runs to upload" in said
    assert "1 not finished yet" in said
    lab.run(*choices)
    said = lab.run("task=sync", "tracking.project=synced")
    assert f"uploaded {run.name}" in said
    assert_same(run, server, "synced")
    again = lab.run("task=sync", "tracking.project=synced")
    assert "0 of 1 runs to upload" in again
    assert "1 uploaded before" in again


def test_a_run_goes_up_while_it_is_at_work(lab: Lab, server: Server) -> None:
    longer = (*SMALL, "recipe.epochs=40", "trainer.log_every=5")  # than a sync takes to begin
    training = lab.start(*longer, "seed=9", "tracking=offline", "tracking.project=live")
    wait_for(lambda: list(lab.folder.glob("runs/*/wandb/offline-run-*")), seconds=120)
    (run,) = lab.runs()
    uploading = lab.start("task=sync", "sync.live=true", "tracking.project=live")
    wait_for(lambda: run.name in server.runs("live") and server.rows(run.name), seconds=120)
    assert training.poll() is None
    training.communicate(timeout=300)
    assert training.returncode == 0
    said, _ = uploading.communicate(timeout=120)
    assert uploading.returncode == 0, said
    assert f"{run.name}: uploaded as it goes" in said
    assert "0 of 1 runs to upload" in said
    assert_same(run, server, "live")


def test_killed_and_resumed_online_is_one_run_without_gaps(lab: Lab, server: Server) -> None:
    """openwandb tells no resumed client how far it got, so that rows sent before come again, and
    does not drop them; W&B's own server does the one, its client then the other."""
    choices = (*LONG, "seed=7", "tracking=online", "tracking.project=resumed")
    run = kill_in_the_middle(lab, *choices)
    before = server.rows(run.name)
    lab.run(*choices)
    assert server.runs("resumed").keys() == {run.name}
    held, kept = server.rows(run.name), rows_on_disk(run)
    assert held.keys() == kept.keys()
    for key in kept.keys() - {key for key in kept if key.startswith("speed/")}:
        assert sorted(set(held[key])) == kept[key]
        assert len(held[key]) <= len(kept[key]) + len(before.get(key, []))
    assert_same_summary(run, server, "resumed")


def test_a_study_goes_up_later_with_its_report(lab: Lab, server: Server) -> None:
    # openwandb knows a run by its id alone, whatever the project: other points, another name.
    where = ("tracking=offline", "tracking.project=later", "study.name=later")
    more = ("recipe.epochs=1", "study.placebo=true", *grid(model="a", seed="0,1"))
    study = (*STUDY, *more, *where)
    lab.run("-m", *study)
    said = lab.run("task=sync", *study)
    assert "4 of 4 runs to upload" in said  # two are of the null arm
    assert f"uploaded {server.url}" in said
    for run in lab.runs():
        assert_same(run, server, "later")
    assert "report-later" in server.runs("later")


def test_each_run_goes_to_the_project_that_it_was_launched_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (server.environment | {"WANDB_PROJECT": "third"}).items():
        monkeypatch.setenv(name, value)
    for project in ("first", "second"):
        card = dataclasses.replace(CARD, id=f"of-{project}")
        sink = WandbSink(TrackingConfig(project=project), card, tmp_path / project)
        sink.start([])
        sink.finish({}, exit_code=0)
    attempts = [offline_attempts(tmp_path / project)[0] for project in ("first", "second")]
    said = upload(attempts, {}, lambda: None)
    assert all(map(is_uploaded, attempts)), said
    assert server.runs("first").keys() == {"of-first"}
    assert server.runs("second").keys() == {"of-second"}


def test_a_server_that_is_away_costs_nothing_but_the_upload(lab: Lab) -> None:
    away = {"WANDB_BASE_URL": "http://127.0.0.1:9"}
    begun = time.monotonic()
    lab.run(*SMALL, "tracking=online", "tracking.project=away", "recipe.epochs=1", **away)
    # W&B's own client would wait for 90 s, twice; a run takes up to a minute on a busy machine.
    assert time.monotonic() - begun < 120
    (run,) = lab.runs()
    assert "kept offline" in (run / "train.log").read_text()
    refused = lab.start("task=sync", "tracking.project=away", **away)
    said, _ = refused.communicate(timeout=60)
    assert refused.returncode == 2
    assert "does not answer; the same command uploads later" in said
    lab.run("task=sync", "tracking.project=away")
    assert_same(run, lab.server, "away")


def test_an_agents_run_has_the_agents_id_and_trains_nothing_twice(lab: Lab, server: Server) -> None:
    lab.run(*SMALL, "recipe.epochs=1")
    (run,) = lab.runs()
    for name in ("agent-1", "agent-2"):
        sweep = {"WANDB_SWEEP_ID": "abcd1234", "WANDB_RUN_ID": name, "WANDB_PROJECT": "agents"}
        said = lab.run(*SMALL, "recipe.epochs=1", "tracking=online", **sweep)
        assert "already finished" in said
        assert server.rows(name) == rows_on_disk(run)
        assert "validation/best_top1_error" in server.runs("agents")[name]["summary"]
    assert json.loads((run / "status.json").read_text())["attempts"] == 1


def test_a_server_without_workspaces_is_named(study: Lab) -> None:
    process = study.start("task=dashboard", *STUDY)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "did not take the dashboard" in said
    assert (study.folder / "studies" / "quickstart" / "workspace.json").exists()


def test_asked_for_artifacts_and_predictions_arrive(lab: Lab, server: Server) -> None:
    lab.run(
        *SMALL, "tracking=online", "tracking.project=kept", "tracking.log_model=true",
        "tracking.predictions=12", "trainer.gradient_norms=true", "trainer.log_every=5",
    )  # fmt: skip
    (run,) = lab.runs()
    kinds = {a["artifact_type"] for a in server.artifacts(run.name)}
    assert {"model", "dataset", "code"} <= kinds
    assert not [*(run / "wandb" / "data").rglob("*.py")]  # its copies are gone
    assert any("table/predictions/center" in name for name in server.files(run.name))
    assert "gradient_norm/block5" in server.rows(run.name)
    assert_same(run, server, "kept")
