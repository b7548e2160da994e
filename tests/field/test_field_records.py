"""A3: ``metrics.jsonl`` with a line lost, torn or changed before the run goes on."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from training_runs import KillAt, Killed, MemorySink, directory

from vgglab.config import Config
from vgglab.data.errors import DataError
from vgglab.runs import MetricsLog, Record, RunDirectory, Status, read_metrics
from vgglab.runs.metrics import is_as_marked
from vgglab.training.experiment import run_experiment
from vgglab.verify.compare import differences

Edit = Callable[[list[str]], list[str]]
EDITS: dict[str, Edit] = {
    "lost": lambda lines: [*lines[:2], *lines[3:]],
    "torn": lambda lines: [*lines[:2], lines[2][:20], *lines[3:]],
    "doubled": lambda lines: [*lines[:3], *lines[2:]],
    "another value": lambda lines: [*lines[:2], lines[2].replace("0", "1", 1), *lines[3:]],
    "cut off": lambda lines: lines[:2],
    "empty": lambda lines: [],
    "no record": lambda lines: [*lines[:2], "5", *lines[3:]],
}


def edit(path: Path, change: Edit) -> None:
    lines = change(path.read_text(encoding="utf-8").splitlines())
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS)
def test_a_change_before_the_mark_is_noticed(change: Edit, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    for step in range(1, 6):
        log.record({"step": step, "loss": 0.5})
    mark = log.mark()
    log.record({"step": 6})
    assert is_as_marked(path, mark)
    edit(path, change)
    assert not is_as_marked(path, mark)


def test_what_is_rewound_is_as_it_was_marked(tmp_path: Path) -> None:
    """Else a second interruption would find a change that nobody made."""
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path)
    log.record({"step": 1, "loss": 1 / 3, "nan": float("nan"), "name": "é"})
    mark = log.mark()
    log.record({"step": 2})
    again = MetricsLog(path)
    again.rewind(1)
    assert again.mark() == mark
    assert is_as_marked(path, mark)


def test_whole_records_after_a_torn_one_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"st\xff\n{"step": 3}\n{"step"')
    assert [record["step"] for record in read_metrics(path)] == [1, 3]
    assert "1 lines of it are damaged" in caplog.text
    assert not is_as_marked(path, None)


class Meddler(MemorySink):
    """Changes ``metrics.jsonl`` while the run is trained."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def record(self, record: Record) -> None:
        if record["step"] == 12:
            edit(self._path, EDITS["lost"])


def test_a_run_goes_on_from_the_checkpoint_before_a_lost_line_or_fails(
    small_config: Config, tmp_path: Path
) -> None:
    trainer = dataclasses.replace(small_config.trainer, checkpoint_minutes=1e-6, log_every=1)
    often = dataclasses.replace(small_config, trainer=trainer)
    logged = dataclasses.replace(often, trainer=dataclasses.replace(trainer, checkpoint_minutes=0))
    whole, cut = directory(tmp_path, "whole"), directory(tmp_path, "cut")
    run_experiment(logged, whole, Status(), [])
    with pytest.raises(Killed):
        run_experiment(often, cut, Status(), [KillAt(24)])
    early = RunDirectory(tmp_path / "early" / "cut")
    shutil.copytree(cut.path, early.path)
    edit(cut.metrics, lambda lines: [*lines[:22], *lines[23:]])
    run_experiment(logged, cut, Status(), [])
    found = differences(whole, cut, ["weights", "metrics.jsonl", "predictions"])
    assert not any(found.values()), found
    before = early.last_checkpoint.read_bytes()
    edit(early.metrics, EDITS["lost"])
    with pytest.raises(DataError, match=r"metrics\.jsonl: lines of it were lost or changed; put"):
        run_experiment(logged, early, Status(), [])
    assert early.last_checkpoint.read_bytes() == before


def test_a_change_while_the_run_is_trained_is_no_result(
    small_config: Config, tmp_path: Path
) -> None:
    run = directory(tmp_path)
    with pytest.raises(DataError, match=r"metrics\.jsonl: changed by something else"):
        run_experiment(small_config, run, Status(), [Meddler(run.metrics)])
