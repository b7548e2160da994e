"""Turns, ratios and tables of the benchmarks."""

from __future__ import annotations

import time

import pytest
from side_by_side import Worker, alternate, markdown, median, ratio


def test_candidates_take_turns_there_and_back() -> None:
    called: list[str] = []
    candidates = {name: lambda name=name: called.append(name) for name in ("a", "b")}
    times = alternate(candidates, rounds=3, warm_up=1)
    assert "".join(called) == "baabbaab"
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}


def test_it_times_the_call_alone() -> None:
    times = alternate({"a": lambda: time.sleep(0.02), "b": lambda: None}, rounds=3)
    assert 0.02 <= median(times, "a") < 0.5
    assert median(times, "b") < 0.01


def test_a_ratio_is_taken_within_rounds() -> None:
    drifting = {"ours": [1.0, 2.0, 3.0], "theirs": [2.0, 4.0, 6.0]}
    assert ratio(drifting, "theirs", "ours") == pytest.approx(2.0)


def test_a_table_has_three_digits_and_straight_columns() -> None:
    table = markdown(["net", "img/s"], [["a", 7.0549], ["a_lrn", 12345.6], ["b", None]])
    assert table.splitlines() == [
        "| net   |  img/s |",
        "| ----- | -----: |",
        "| a     |   7.05 |",
        "| a_lrn | 12,346 |",
        "| b     |        |",
    ]


class Squares:
    def __init__(self, offset: int) -> None:
        self.offset = offset

    def __call__(self, value: int) -> int:
        if value < 0:
            raise ValueError("below 0")
        return value**2 + self.offset


def test_a_worker_answers_from_its_own_process_and_survives_an_error() -> None:
    worker = Worker(Squares, 1)
    try:
        assert worker(3) == 10
        with pytest.raises(RuntimeError, match="ValueError: below 0"):
            worker(-1)
        assert worker(2) == 5
    finally:
        worker.close()
