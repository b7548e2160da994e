"""What a bundle has of a study, and what it says of the machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from judged_runs import write_judged_study

from vgglab.evidence import members_of, unpack, write_bundle
from vgglab.evidence.certificate import WrittenBy
from vgglab.evidence.members import TEXTS
from vgglab.runs import load_run
from vgglab.study.stored import read_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return write_judged_study(tmp_path)


def test_it_has_what_the_words_rest_on_and_nothing_large(study: Path) -> None:
    view = read_study(study)
    run = view.runs[0].directory
    for name in ("checkpoints/last.ckpt", "train.log", "predictions/.center.parquet.new"):
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_bytes(b"large")
    run.certificate.write_text('{"equal": true}\n', encoding="utf-8")
    (study / "figures").mkdir()
    (study / "figures" / "a.png").write_bytes(b"large")
    (study / "report.html").write_text("<p>report</p>", encoding="utf-8")
    other = view.runs[1]
    members = members_of(replace(view, runs=view.runs[:1], placebo=[other]), study)
    kept = ("config.yaml", "metrics.jsonl", "predictions/center.parquet", "result.json")
    assert sorted(members) == sorted(
        [
            *(f"studies/depth/{n}" for n in ("study.json", "claims.json")),
            *(f"studies/depth/report.{kind}" for kind in ("md", "html")),
            *(f"runs/{run.id}/{name}" for name in (*kept, "status.json", "verify.json")),
            *(f"runs/{other.id}/{name}" for name in (*kept, "status.json")),
        ]
    )
    claims = (study / "claims.json").read_bytes()
    assert members["studies/depth/claims.json"] == claims  # as printed, to the byte


def test_every_file_of_a_study_that_is_bundled_may_be_in_a_bundle(
    study: Path, tmp_path: Path
) -> None:
    """Those of tuned nets' control runs were refused by the bundle itself."""
    for name in TEXTS:
        (study / name).touch()
    members = members_of(read_study(study), study)
    written: WrittenBy = {"commit": "c0ffee", "source": "beef", "versions": {"python": "3.11"}}
    write_bundle(tmp_path / "x.zip", members, study="depth", words=[], written_by=written)
    (tmp_path / "there").mkdir()
    unpack(tmp_path / "x.zip", tmp_path / "there")
    found = {path.name for path in (tmp_path / "there" / "studies" / "depth").iterdir()}
    assert found >= set(TEXTS)


def test_folders_and_secrets_of_the_machine_stay_there(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/jane.doe")
    run = read_study(study).runs[0].directory
    config = yaml.safe_load(run.config.read_text("utf-8"))
    config["paths"] = {"runs": "/scratch/jane doe/runs", "studies": "studies", "data": "~/data"}
    config["tracking"] = {"notes": "see https://jane:pass@host/x?token=5ec2e7 and /mnt/jane/y"}
    run.config.write_text(yaml.safe_dump(config), encoding="utf-8")
    status = json.loads(run.status.read_text("utf-8"))
    status["command"] = "python run.py paths.runs=/scratch/jane/runs 'paths.data=/home/jane.doe/d'"
    run.status.write_text(json.dumps(status), encoding="utf-8")
    (study / "report.md").write_text("in /home/jane.doe/x, and/or", encoding="utf-8")
    stored = json.loads((study / "study.json").read_text("utf-8"))
    stored["config"]["paths"]["data"] = "/scratch/jane/data"
    stored["runs"] = "../../runs"
    (study / "study.json").write_text(json.dumps(stored), encoding="utf-8")
    members = members_of(read_study(study), study)
    texts = {n: c if isinstance(c, bytes) else c.read_bytes() for n, c in members.items()}
    for name, text in texts.items():
        for told in (b"jane", b"pass@", b"5ec2e7", b"/scratch", b"/mnt"):
            assert told not in text, (name, told)
    config_text = texts[f"runs/{run.id}/config.yaml"]
    cleaned = yaml.safe_load(config_text)
    assert cleaned["paths"] == {"runs": "runs", "studies": "studies", "data": "data"}
    assert cleaned["tracking"]["notes"] == "see https://***@host/x?token=*** and y"
    # What decides a run's numbers is as it was.
    del cleaned["tracking"]
    run.config.write_text(yaml.safe_dump(cleaned), encoding="utf-8")
    assert load_run(run.path).config.recipe == read_study(study).runs[0].config.recipe
    command = json.loads(texts[f"runs/{run.id}/status.json"])["command"]
    assert command == "python run.py paths.runs=runs 'paths.data=d'"
    assert members["studies/depth/report.md"] == b"in ~/x, and/or"
