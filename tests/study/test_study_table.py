from __future__ import annotations

import io

import pandas as pd
from study_points import missing, run, view

from vgglab.runs import RunRecord, State
from vgglab.study import MissingPoint, results_table

COLUMNS = """
run model norm init width data image_size seed state reason parent weight_layers protocol top1_error
top5_error loss images best_epoch validation_top1_error parameters macs activations_all step_ms
data_ms forward_ms backward_ms optimiser_ms logging_ms images_per_second mfu
peak_memory_mib train_seconds epochs batch_size learning_rate precision threads
"""


def test_columns_are_the_contract() -> None:
    assert list(results_table(view(run("a", 0, 5.0))).columns) == COLUMNS.split()


def test_one_row_a_run_and_protocol() -> None:
    dense = {"dense": {"top1_error": 4.5, "top5_error": 0.3}}
    table = results_table(view(run("a", 0, 5.0, also=dense), run("a", 1, 6.0)))
    found = list(zip(table["seed"], table["protocol"], table["top1_error"], strict=True))
    assert found == [(0, "center", 5.0), (0, "dense", 4.5), (1, "center", 6.0)]


def test_points_without_a_result_are_rows_with_empty_numbers() -> None:
    table = results_table(
        view(missing("a", 2), run("a", 1, None, state=State.DIVERGED), run("a", 0, 5.0))
    )
    assert list(table["state"]) == ["finished", "diverged", "pending"]
    assert list(table["top1_error"].isna()) == [False, True, True]
    assert list(table["protocol"]) == ["center", "", ""]
    assert pd.isna(table["macs"].iloc[2])
    # Asked for is known all the same, and so is what another seed of the net found out.
    assert table["epochs"].iloc[2] == 8
    assert table["weight_layers"].iloc[2] == 11


def test_csv_keeps_integers_whole() -> None:
    table = results_table(view(run("a", 0, 5.0), missing("b", 0)))
    text = table.to_csv(index=False)
    back = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    assert list(back["parameters"]) == ["123", ""]
    assert list(back["seed"]) == ["0", "0"]


def test_order_does_not_depend_on_the_order_of_points() -> None:
    points: list[RunRecord | MissingPoint] = [
        run("b", 1, 5.0),
        run("a", 0, 5.0, norm="none"),
        run("a", 0, 6.0),
        missing("a", 3),
    ]
    forth, back = results_table(view(*points)), results_table(view(*reversed(points)))
    pd.testing.assert_frame_equal(forth, back)
    assert list(forth["norm"]) == ["none", "batch", "batch", "batch"]


def test_a_study_without_points_has_an_empty_table() -> None:
    assert list(results_table(view()).columns) == COLUMNS.split()
