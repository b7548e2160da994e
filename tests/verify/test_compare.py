"""What of two runs counts as a difference, and what a boundary becomes of a run's moments."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from vgglab.runs import RunDirectory
from vgglab.runs.atomic import write_json
from vgglab.verify.boundaries import BOUNDARIES, Boundary
from vgglab.verify.compare import PARTS, differences, recorded_differences
from vgglab.verify.trial import BATCHES, END


def checkpoint(path: Path, **changed: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    stored = {
        "state_dict": {"net.w": torch.ones(3), "net.nan": torch.tensor(float("nan"))},
        "optimizer_states": [{"state": {0: {"momentum_buffer": torch.ones(3)}}}],
        "lr_schedulers": [{"last_epoch": 4}],
        "callbacks": {"ModelCheckpoint{}": {"kth_value": 2.0}, "PlateauRule": {"best": 1.0}},
        "epoch": 1,
        "global_step": 4,
        "loops": {},
    }
    torch.save(stored | changed, path)


def a_run(path: Path) -> RunDirectory:
    run = RunDirectory(path)
    (run.path / "predictions").mkdir(parents=True)
    for each in (run.last_checkpoint, run.best_checkpoint):
        checkpoint(each)
    lines = [{"step": step, "time": step * 1.0, "train/loss": 0.5} for step in (1, 2)]
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    batches = [{"epoch": 0, "batch": index, "content": index} for index in (0, 1)]
    (path / BATCHES).write_text("".join(json.dumps(line) + "\n" for line in batches))
    write_json(path / END, {"moments": {}, "generators": {"torch": "abc"}})
    pq.write_table(pa.table({"index": [0, 1], "loss": [0.5, 0.25]}), run.predictions("center"))
    write_json(run.result, {"errors": {"center": {"top1_error": 1.0}}, "speed": {"mfu": 1.0}})
    return run


def append(path: Path, **line: Any) -> None:
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def one_bit(run: RunDirectory) -> None:
    weights = torch.ones(3)
    weights[1] = torch.nextafter(weights[1], torch.tensor(2.0))
    checkpoint(run.best_checkpoint, state_dict={"net.w": weights, "net.nan": torch.tensor(0.0)})


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("weights", one_bit),
        ("optimiser", lambda r: checkpoint(r.last_checkpoint, optimizer_states=[])),
        ("learning rate", lambda r: checkpoint(r.last_checkpoint, lr_schedulers=[])),
        ("progress", lambda r: checkpoint(r.last_checkpoint, global_step=5)),
        ("batches", lambda r: append(r.path / BATCHES, epoch=0, batch=1, content=9)),
        ("random generators", lambda r: write_json(r.path / END, {"generators": {}})),
        ("metrics.jsonl", lambda r: append(r.metrics, step=2, time=2.0, **{"train/loss": 0.5})),
        ("predictions", lambda r: r.predictions("center").unlink()),
        ("result.json", lambda r: write_json(r.result, {"errors": {}})),
    ],
)
def test_each_part_is_seen_when_it_differs(
    part: str, change: Callable[[RunDirectory], None], tmp_path: Path
) -> None:
    one, other = a_run(tmp_path / "one"), a_run(tmp_path / "other")
    assert not any(differences(one, other).values())
    change(other)
    assert [name for name, differs in differences(one, other).items() if differs] == [part]
    assert part in PARTS


def test_times_and_a_batch_that_was_repeated_are_no_difference(tmp_path: Path) -> None:
    one, other = a_run(tmp_path / "one"), a_run(tmp_path / "other")
    other.metrics.write_text(other.metrics.read_text().replace('"time": 1.0', '"time": 7.0'))
    append(other.path / BATCHES, epoch=0, batch=1, content=1)
    write_json(other.result, {"errors": {"center": {"top1_error": 1.0}}, "speed": {"mfu": 9.0}})
    assert not any(differences(one, other).values())
    # A run of before did not store the originals of its test images.
    table = pa.table({"index": [0, 1], "loss": [0.5, 0.25], "original": [8, 9]})
    pq.write_table(table, other.predictions("center"))
    assert not any(differences(one, other).values())
    shutil.rmtree(other.path / "predictions")
    assert differences(one, other, ["weights"]) == {"weights": False}


def test_a_boundary_is_a_place_among_a_runs_own_moments() -> None:
    moments = {"batch": 38, "validation": 4, "epoch_end": 2, "writing": 4, "test": 1}
    found = {b.name: b.interruption(moments) for b in BOUNDARIES}
    for boundary in BOUNDARIES:
        planned = boundary.interruption(moments)
        assert planned is None or 1 <= planned.at <= planned.of
    assert found["while a checkpoint is renamed"] is None  # one epoch: there is no earlier one
    assert found["in the test"] is not None
    sent = [boundary.sent for boundary in BOUNDARIES]
    assert sent.count(signal.SIGKILL) == len(BOUNDARIES) - 1
    assert len({(b.name, b.sent) for b in BOUNDARIES}) == len(BOUNDARIES)
    assert isinstance(BOUNDARIES[0], Boundary)


@pytest.mark.parametrize("kept", ["best", "last"])
def test_a_finished_run_is_compared_in_what_it_keeps(tmp_path: Path, kept: str) -> None:
    reference, run = a_run(tmp_path / "watched"), a_run(tmp_path / "recorded")
    assert not any(recorded_differences(reference, run).values())
    gone = {"best": run.last_checkpoint, "last": run.best_checkpoint}[kept]
    gone.unlink()
    found = recorded_differences(reference, run)
    assert not any(found.values())
    assert ("optimiser" in found) is (kept == "last")
    weights = torch.ones(3)
    weights[1] = torch.nextafter(weights[1], torch.tensor(2.0))
    checkpoint(run.selected_checkpoint(kept), state_dict={"net.w": weights})
    assert recorded_differences(reference, run)["weights"]
