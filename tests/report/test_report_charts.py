"""The numbers that W&B draws are the report's own."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest
from report_runs import make_study

from vgglab.report.charts import ERROR_COLUMNS, charts_of
from vgglab.study import StudyView, results_table


def test_bands_are_the_means_and_intervals_of_the_table(whole_study: StudyView) -> None:
    charts = charts_of(whole_study)
    line, c = (band for band in charts.depth if "-" not in band.name)
    assert line.weight_layers == (11, 13, 16, 19)
    assert c.weight_layers == (16,)
    assert c.name.startswith("C, ")
    table = results_table(whole_study).query("state == 'finished'")
    for i, model in enumerate("abde"):
        errors = table[table.model == model].top1_error.tolist()
        assert line.mean[i] == pytest.approx(statistics.fmean(errors))
        assert line.low[i] < line.mean[i] < line.high[i]


def test_a_line_a_treatment_says_how_many_seeds_and_how_sure(whole_study: StudyView) -> None:
    line, c = (band for band in charts_of(whole_study).depth if "-" not in band.name)
    assert line.seeds == (3, 3, 2, 2)  # d has a seed less, e's third diverged
    b = results_table(whole_study).query("model == 'b'").top1_error.tolist()
    assert line.standard_error[1] == pytest.approx(statistics.stdev(b) / 3**0.5)
    assert len(c.standard_error) == 1


def test_one_seed_has_a_band_without_width(tmp_path: Path) -> None:
    (line,) = charts_of(make_study(tmp_path, models=("a", "b"), seeds=(0,))).depth
    assert line.low == line.mean == line.high


def test_both_norms_have_a_band_and_a_pair_of_bars(tmp_path: Path) -> None:
    view = make_study(tmp_path, models=("a", "a_lrn", "b"), norms=("none", "batch"))
    charts = charts_of(view)
    assert [band.name for band in charts.depth] == [
        "no batch norm", "A-LRN, no batch norm", "batch norm", "A-LRN, batch norm",
    ]  # fmt: skip
    assert [name for name, _ in charts.lrn] == [
        "A without batch norm", "A-LRN without batch norm",
        "A with batch norm", "A-LRN with batch norm",
    ]  # fmt: skip


def test_a_study_without_depth_or_lrn_has_no_such_chart(tmp_path: Path) -> None:
    charts = charts_of(make_study(tmp_path, models=("b", "b_5x5")))
    assert (charts.depth, charts.lrn) == ((), ())
    rows: list[dict[str, Any]] = [dict(zip(ERROR_COLUMNS, r, strict=True)) for r in charts.errors]
    b, b_5x5 = rows
    assert (b["model"], b["weight_layers"], b["seeds"], b["trained"]) == ("b", 13, 3, 3)
    assert b_5x5["top1_low"] < b_5x5["top1_mean"] < b_5x5["top1_high"]
