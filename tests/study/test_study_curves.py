from __future__ import annotations

import json
from pathlib import Path

import pytest
from study_points import run, view

from vgglab.runs import RunRecord, State
from vgglab.study import learning_curves, mean_curve


def with_metrics(record: RunRecord, validation: list[float | None]) -> RunRecord:
    lines: list[dict[str, float | None]] = []
    for epoch, error in enumerate(validation, start=1):
        lines.append({"step": 10 * epoch - 5, "epoch": epoch - 0.5, "train/loss": 1.0})
        at: dict[str, float | None] = {"step": 10 * epoch, "epoch": float(epoch)}
        lines.append(at | {"validation/top1_error": error, "train/top1_error": 10.0 * epoch})
    record.directory.path.mkdir(parents=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    record.directory.metrics.write_text(text, encoding="utf-8")
    return record


def test_mean_is_over_finished_seeds_where_all_have_an_epoch(tmp_path: Path) -> None:
    study = view(
        with_metrics(run("a", 0, 5.0, root=tmp_path), [50.0, 20.0, 8.0]),
        with_metrics(run("a", 1, 5.0, root=tmp_path), [40.0, 30.0]),
        with_metrics(run("a", 2, None, root=tmp_path, state=State.DIVERGED), [90.0, None]),
        run("a", 3, None, root=tmp_path, state=State.RUNNING),
    )
    (curves,) = learning_curves(study).values()
    assert [(c.seed, c.finished) for c in curves] == [(0, True), (1, True), (2, False)]
    assert curves[2].validation == {1.0: 90.0}
    assert mean_curve(curves, "validation") == {1.0: 45.0, 2.0: 25.0}
    assert mean_curve(curves, "train") == pytest.approx({1.0: 10.0, 2.0: 20.0})


def test_no_finished_seed_has_no_mean(tmp_path: Path) -> None:
    study = view(with_metrics(run("a", 0, None, root=tmp_path, state=State.RUNNING), [50.0]))
    (curves,) = learning_curves(study).values()
    assert mean_curve(curves, "validation") == {}
