"""What the panels of a study's dashboard are about, and how many runs they say that they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from study_points import missing, run, view

from vgglab.runs import RunRecord, State
from vgglab.study import StudyView
from vgglab.tracking.panels import sections
from vgglab.workflow.wandb_study import dashboard_of


def titles(study: StudyView, folder: Path) -> dict[str, str]:
    """Metric -> title of the panels over seeds."""
    found: dict[str, str] = {}
    for section in sections(dashboard_of(study.points[0].config, study, folder)):
        for panel in section.panels:
            metrics: Any = getattr(panel, "metrics", None) or getattr(panel, "y", None)
            if isinstance(metrics, list):
                found[str(getattr(metrics[0], "name", metrics[0]))] = panel.title
    return found


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


def test_a_panel_counts_the_runs_that_it_shows(tmp_path: Path) -> None:
    stopped = run("b", 2, None, state=State.INTERRUPTED)
    diverged = run("b", 1, None, state=State.DIVERGED)
    for one in (stopped, diverged):
        one.result["speed"], one.result["validation"] = {}, {}
    tested = [run("a", seed, 5.0) for seed in range(3)] + [run("b", 0, 5.0)]
    found = titles(view(*tested, diverged, stopped), tmp_path)
    assert found["test/center/top1_error"].endswith("n = 1 to 3")
    assert found["whole_run/step_ms"].endswith("n = 1 to 3")
    assert found["validation/best_top1_error"].endswith("n = 1 to 3")
    assert found["train/loss"].endswith("n = 3")
