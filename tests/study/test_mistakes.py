"""A run's mistakes are read from its predictions, also from those of before 26 November 2026."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from study_points import run

from vgglab.study.claims.mistakes import Mistakes, MistakesReader
from vgglab.study.claims.pairing import Cell, Paired, image_sums


def read(root: Path, **columns: Any) -> Mistakes:
    """Mistakes of a run that tested images 2, 0 and 1, the last of them wrongly."""
    record = run("a", 0, 33.3, root=root)
    path = record.directory.predictions("center")
    path.parent.mkdir(parents=True)
    table = {"index": [2, 0, 1], "label": [5, 5, 3], "classes": [[5, 3], [5, 3], [5, 3]]}
    pq.write_table(pa.table(table | columns), path)
    found = MistakesReader().mistakes(record, "center", 1)
    assert found
    assert found.index_n.tolist() == [0, 1, 2]
    assert found.wrong_n.tolist() == [False, True, False]
    return found


@pytest.mark.parametrize(
    ("columns", "originals"),
    [({"original": [907, 907, 40]}, [907, 40, 907]), ({}, [0, 1, 2])],
    ids=["with originals", "of before: each image its own"],
)
def test_each_image_has_its_original(
    columns: dict[str, Any], originals: list[int], tmp_path: Path
) -> None:
    mistakes = read(tmp_path, **columns)
    assert mistakes.original_n.dtype == "int64"
    assert mistakes.original_n.tolist() == originals


def test_runs_of_one_name_in_two_folders_are_two_runs(tmp_path: Path) -> None:
    """As two studies have them that are compared: one was trained again elsewhere."""
    read(tmp_path / "old"), read(tmp_path / "new")
    again = run("a", 0, 33.3, root=tmp_path / "new").directory.predictions("center")
    table = pq.read_table(again)
    classes = pa.array([[3, 5], [5, 3], [5, 3]])
    pq.write_table(table.set_column(table.column_names.index("classes"), "classes", classes), again)
    reader = MistakesReader()
    old, new = (reader.mistakes(run("a", 0, 33.3, root=tmp_path / f), "center", 1)
                for f in ("old", "new"))  # fmt: skip
    assert old
    assert new
    assert old.wrong_n.tolist() == [False, True, False]
    assert new.wrong_n.tolist() == [False, True, True]


def test_old_and_new_predictions_are_of_the_same_images(tmp_path: Path) -> None:
    old, new = read(tmp_path / "old"), read(tmp_path / "new", original=[907, 907, 40])
    assert old.same_images(new)
    assert new.same_images(old)


def test_images_of_one_original_count_once_if_any_run_tells(tmp_path: Path) -> None:
    old, new = read(tmp_path / "old"), read(tmp_path / "new", original=[907, 907, 40])
    for rows in ([[old], [new]], [[new], [old]], [[old, new]]):
        sums, images = image_sums(rows)
        assert images == 3
        assert all(found is not None and found.shape[-1] == 2 for found in sums)
    other = read(tmp_path / "other", original=[907, 40, 40])
    assert not new.same_images(other)
    assert image_sums([[old], [new], [other]]) == ([None] * 3, None)


@pytest.mark.parametrize("nets", [1, 2, 6])
def test_without_predictions_nets_of_a_side_are_wrong_on_the_same_images(nets: int) -> None:
    """At the worst: averaging takes nothing from the luck of the images that they share."""
    cells = tuple(
        Cell(side, average, (side, average), (0, 1), (), np.array([20.0, 20.0]), None)
        for side in (0, 1)
        for average in range(nets)
    )
    measured = Paired(cells, 2, (), (0.0, 1.0), 1000).difference(0, 1)
    assert measured is not None
    assert measured.image_variance == pytest.approx(2 * 20 * 80 / 1000)
