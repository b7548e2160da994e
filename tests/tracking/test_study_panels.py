"""What the panels of a study's dashboard are about, by the labels that runs log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study_points import missing, run, view

from vgglab.runs import RunRecord
from vgglab.workflow.wandb_study import dashboard_of


def at_scale(model: str, seed: int, **fields: Any) -> RunRecord:
    errors = {"dense-40": {"top1_error": 5.0 + seed, "top5_error": 1.0, "images": 4000}}
    protocol = {"name": "dense", "scales": [40], "top_k": [1, 5]}
    return run(model, seed, None, protocol=protocol, also=errors, **fields)


def test_panels_are_of_the_labels_that_runs_log(tmp_path: Path) -> None:
    study = view(*(at_scale(model, seed) for model in "ab" for seed in range(2)))
    assert list(dashboard_of(study.points[0].config, study, tmp_path).protocols) == ["dense-40"]
    waiting = view(missing("a", 0, protocol={"name": "dense", "scales": [40]}))
    assert list(dashboard_of(waiting.points[0].config, waiting, tmp_path).protocols) == ["dense-40"]


def test_the_pages_protocol_is_the_dashboards_first(tmp_path: Path) -> None:
    also = {"dense": {"top1_error": 4.0, "images": 4000}, "five_scales": {"top1_error": 4.0}}
    study = view(*(run("a", seed, 5.0, also=also) for seed in range(2)))
    found = dashboard_of(study.points[0].config, study, tmp_path).protocols
    assert list(found) == ["center", "dense", "five_scales"]
    # One run alone was tested on the centre crop too, for itself.
    apart = at_scale("a", 0)
    apart.result["errors"]["center"] = {"top1_error": 4.0, "images": 4000}
    study = view(apart, at_scale("a", 1))
    found = dashboard_of(study.points[0].config, study, tmp_path).protocols
    assert list(found) == ["dense-40", "center"]
