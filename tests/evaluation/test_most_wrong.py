from __future__ import annotations

import math

import pyarrow as pa
import pytest

from vgglab.evaluation.predictions import most_wrong


def stored(*rows: tuple[int, int, list[int], list[float]]) -> pa.Table:
    """Index, label, classes best first, their probabilities."""
    return pa.table(
        {
            "index": [row[0] for row in rows],
            "label": [row[1] for row in rows],
            "classes": [row[2] for row in rows],
            "log_probabilities": [[math.log(p) for p in row[3]] for row in rows],
        }
    )


TABLE = stored(
    (7, 0, [0, 1], [0.9, 0.1]),
    (3, 1, [0, 1], [0.6, 0.4]),
    (5, 2, [0, 1], [0.7, 0.2]),  # the label is not among the classes that were kept
    (4, 1, [0, 1], [0.8, 0.2]),
)


def test_the_least_likely_labels_come_first() -> None:
    rows = most_wrong(TABLE, 3)
    assert [row[:3] for row in rows] == [(5, 2, 0), (4, 1, 0), (3, 1, 0)]
    assert [row[4] for row in rows] == pytest.approx([0.0, 0.2, 0.4])
    assert rows[0][3] == pytest.approx(0.7)


def test_no_more_rows_than_images() -> None:
    assert len(most_wrong(TABLE, 100)) == 4
