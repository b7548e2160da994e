"""What W&B keeps offline is what metrics.jsonl holds, under the run's own id, once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import wandb
from offline_file import CARD, history, of_kind, offline_file
from running import ROOT, SMALL, completed

from vgglab.config import TrackingConfig
from vgglab.runs import read_metrics
from vgglab.tracking.cards import RunCard
from vgglab.tracking.local_files import is_incomplete, upload
from vgglab.tracking.session import write_out
from vgglab.tracking.wandb_run import WandbSink


def only(folder: Path, kind: str) -> Any:
    (payload,) = of_kind(offline_file(folder), kind)
    return payload


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Path:
    """The folder of a run that was tracked offline."""
    folder = tmp_path_factory.mktemp("tracked")
    tracking = ("tracking=offline", "study.name=depth")
    ended = completed(folder, f"paths.data={datasets}", *SMALL, *tracking)
    assert ended.returncode == 0, ended.stderr
    (run,) = (folder / "runs").iterdir()
    return run


def test_a_run_is_in_wandb_as_it_is_on_disk(tracked: Path) -> None:
    run = only(tracked, "run")
    assert run.run_id == tracked.name
    assert re.fullmatch(r"a-bn-w0\.0625-.*-[0-9a-f]{8}-s0", run.display_name)
    assert (run.project, run.run_group, run.job_type) == ("vgglab", "depth", "train")
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["cfg"]["model"]["lrn"]["size"] == 5
    assert config["cfg"]["run"] == tracked.name
    assert {key.partition("/")[0] for key in config.keys() - {"_wandb"}} == {"cfg"}
    assert config["cfg/model/name"] == config["cfg"]["model"]["name"]  # a column of a table
    assert config["cfg/recipe/learning_rate"] == config["cfg"]["recipe"]["learning_rate"]
    assert run.display_name == f"{config['cfg']['arm']}-s0"
    assert config["cfg"]["net"]["weight_layers"] == 11
    assert config["cfg"]["versions"].keys() >= {"python", "torch", "wandb"}
    assert run.notes == config["cfg"]["command"]
    assert run.notes.startswith("python run.py ")
    assert run.notes.endswith("tracking=offline study.name=depth")
    artifacts = {a.type: a for a in of_kind(offline_file(tracked), "artifact")}
    assert artifacts.keys() == {"dataset", "code"}
    fingerprint = json.loads(artifacts["dataset"].metadata)["fingerprint"]
    assert fingerprint == config["cfg"]["data_fingerprint"]
    assert fingerprint.startswith("sha256:")

    stored = read_metrics(tracked / "metrics.jsonl")
    kept = [
        {key: value for key, value in record.items() if key not in ("step", "time")}
        for record in stored
    ]
    assert history(offline_file(tracked)) == kept
    assert only(tracked, "exit").exit_code == 0
    axes = {m.name: m.step_metric for m in of_kind(offline_file(tracked), "metric")}
    assert axes.keys() == {key for row in kept for key in row}
    assert {axes[name] for name in axes.keys() - {"epoch", "images_seen"}} == {"epoch"}


def test_the_summary_has_the_test_error_and_the_best_epoch(tracked: Path) -> None:
    result = json.loads((tracked / "result.json").read_text())
    summary: dict[str, Any] = {}
    for part in of_kind(offline_file(tracked), "summary"):
        summary |= {
            "/".join(item.nested_key) or item.key: json.loads(item.value_json)
            for item in part.update
        }
    assert summary["test/center/top1_error"] == result["errors"]["center"]["top1_error"]
    assert summary["validation/best_top1_error"] == result["validation"]["best_top1_error"]
    assert summary["validation/last_top1_error"] == result["validation"]["last_top1_error"]


def test_a_resumed_run_is_one_run_with_each_row_once(tmp_path: Path) -> None:
    rows = [
        {"step": step, "epoch": step / 2, "time": 0.0, "train/loss": 1 / step}
        for step in (1, 2, 3, 4)
    ]
    killed = WandbSink(TrackingConfig(), CARD, tmp_path)
    killed.start([])
    for row in rows[:3]:
        killed.record(row)
    killed.finish({}, exit_code=1)
    resumed = WandbSink(TrackingConfig(), CARD, tmp_path)
    resumed.start(rows[:2])  # the checkpoint was at step 2
    for row in rows[2:]:
        resumed.record(row)
    resumed.finish({"best": 1}, exit_code=0)
    wandb.teardown()  # finish() does not wait for the last block to be written
    assert [row["train/loss"] for row in history(offline_file(tmp_path))] == [
        1 / s for s in (1, 2, 3, 4)
    ]


def test_of_a_checkout_its_code_alone_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = tmp_path / "checkout"
    kept = ("run.py", "src/vgglab/models/vgg.py", "conf/data/digits.yaml")
    others = ("src/vgglab/models/vgg.pyc", "README.md", ".venv/lib/a.py", "runs/a/config.yaml")
    for name in (*kept, *others):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(name)
    looked_at: list[str] = []
    scandir = os.scandir

    def watched(path: Any = ".") -> Any:
        looked_at.append(str(path))  # or a number, of a folder that is open
        return scandir(path)

    monkeypatch.setattr(os, "scandir", watched)
    card = RunCard(**(CARD.__dict__ | {"code": checkout}))
    sink = WandbSink(TrackingConfig(), card, tmp_path / "run")
    sink.start([])
    sink.finish({}, exit_code=0)
    wandb.teardown()
    (artifact,) = of_kind(offline_file(tmp_path / "run"), "artifact")
    assert (artifact.type, artifact.name) == ("code", "source-vgglab-run.py")
    assert sorted(item.path for item in artifact.manifest.contents) == sorted(kept)
    copies = [Path(item.local_path) for item in artifact.manifest.contents]
    # One copy of each, which is the run's own.
    found = [p for p in (tmp_path / "run" / "wandb" / "data").rglob("*") if p.is_file()]
    assert sorted(found) == sorted(copies)
    assert {path.read_text() for path in copies} == set(kept)
    assert any(path.startswith(str(checkout / "src")) for path in looked_at)
    unneeded = tuple(str(checkout / folder) for folder in (".venv", "runs"))
    assert not [path for path in looked_at if path.startswith(unneeded)]


def test_the_second_run_of_a_process_is_a_run_of_its_own(tmp_path: Path) -> None:
    for name in ("first", "second"):
        card = RunCard(**(CARD.__dict__ | {"id": name}))
        sink = WandbSink(TrackingConfig(), card, tmp_path / name)
        (tmp_path / name).mkdir()
        sink.start([])
        sink.record({"step": 1, "epoch": 1.0, "time": 0.0, "train/loss": 1.0})
        sink.finish({}, exit_code=0 if name == "first" else 1)
    wandb.teardown()
    for name, code in (("first", 0), ("second", 1)):
        assert only(tmp_path / name, "run").run_id == name
        assert only(tmp_path / name, "exit").exit_code == code
        assert len(history(offline_file(tmp_path / name))) == 1


def test_a_run_does_not_hang_on_the_service_of_the_process_that_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B hands its service on by a variable; a service still holds the runs of killed processes,
    and refuses their ids."""
    wandb.teardown()
    monkeypatch.setenv("WANDB_SERVICE", "3-1-unix-/nowhere")
    sink = WandbSink(TrackingConfig(), CARD, tmp_path)
    sink.start([])
    sink.record({"step": 1, "epoch": 1.0, "time": 0.0, "train/loss": 1.0})
    sink.finish({}, exit_code=0)
    wandb.teardown()
    assert not is_incomplete(tmp_path)
    assert len(history(offline_file(tmp_path))) == 1


FORKS = """
import os
from pathlib import Path
import numpy as np
from offline_file import CARD
from vgglab.config import TrackingConfig
from vgglab.tracking.wandb_run import WandbSink

for name in ("first", "second"):
    if not os.fork():
        sink = WandbSink(TrackingConfig(), CARD, Path(name))
        sink.start([])
        sink.keep_predictions("center", [(0, np.zeros((8, 8, 3), np.uint8), 1, 2, 0.9, 0.1)])
        sink.finish({}, exit_code=0)
        raise SystemExit
    os.wait()
"""


@pytest.mark.slow
def test_forks_of_a_process_that_has_loaded_wandb_keep_their_images(tmp_path: Path) -> None:
    """W&B makes a folder for media when it is loaded, which the first fork that ends removes."""
    path = os.pathsep.join([str(ROOT / "tests" / "tracking"), str(ROOT / "tests"), *sys.path])
    subprocess.run(
        [sys.executable, "-c", FORKS],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        check=True,
    )
    for name in ("first", "second"):
        assert not is_incomplete(tmp_path / name)
        assert len(list((tmp_path / name).rglob("media/table/*/*.table.json"))) == 1


def test_an_upload_does_not_hang_on_the_service_of_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says_its_variables = tmp_path / "python"
    says_its_variables.write_text("#!/bin/sh\nenv\n")
    says_its_variables.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(says_its_variables))
    monkeypatch.setenv("WANDB_SERVICE", "3-1-unix-/nowhere")
    said = upload([tmp_path], {}, lambda: None)
    assert "PATH=" in said
    assert "nowhere" not in said


def test_a_synced_attempt_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        sink = WandbSink(TrackingConfig(), CARD, tmp_path)
        sink.start([])
        sink.finish({}, exit_code=0)
        for path in tmp_path.glob("wandb/offline-run-*/*.wandb"):
            path.with_suffix(".wandb.synced").touch()
    assert len(list(tmp_path.glob("wandb/offline-run-*"))) == 2


def test_a_sink_that_was_never_started_finishes_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink = WandbSink(TrackingConfig(), CARD, tmp_path)
    sink.finish({"best": 1}, exit_code=1)
    assert not caplog.records
    assert not list(tmp_path.iterdir())
    sink.start([])  # not lost: it can still be started
    sink.finish({}, exit_code=0)
    assert not is_incomplete(tmp_path)
    write_out()  # W&B's service may still hold the last record, where the machine is busy
    assert only(tmp_path, "exit").exit_code == 0


@pytest.mark.parametrize("asked", [True, False])
def test_an_alert_is_kept_where_it_is_asked_for(tmp_path: Path, asked: bool) -> None:
    sink = WandbSink(TrackingConfig(alerts=asked), CARD, tmp_path)
    sink.alert("before it was started", "is no alert")
    sink.start([])
    sink.alert("a-s0: diverged", "loss is not finite at step 3")
    sink.finish({}, exit_code=1)
    write_out()
    told = [(alert.title, alert.text) for alert in of_kind(offline_file(tmp_path), "alert")]
    assert told == ([("a-s0: diverged", "loss is not finite at step 3")] if asked else [])


@pytest.mark.slow
def test_off_does_not_load_wandb(tmp_path: Path, datasets: Path) -> None:
    code = (
        "import sys; from pathlib import Path; import vgglab.commands.main as main\n"
        f"sys.argv = ['run.py', *{SMALL!r}, 'recipe.epochs=1', 'paths.data={datasets}']\n"
        f"try: main.main(Path({str(Path(__file__).parents[2])!r}))\n"
        "except SystemExit as end: assert not end.code\n"
        "assert 'wandb' not in sys.modules"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
