"""Which runs a run starts from, what of them is left to train, and what the ledger says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from vgglab.config import Config, InitConfig, ModelConfig
from vgglab.config.parse import ConfigError
from vgglab.data.sources.registry import fingerprint
from vgglab.launch.pool import record_death
from vgglab.runs import State, Status, write_result
from vgglab.runs.status import wall_minutes
from vgglab.workflow.pretraining import (
    Stage,
    mark_pending,
    refuse_without_parent,
    stages_of,
    still_to_train,
    weights_of,
    why_it_cannot_start,
)


@pytest.fixture
def chain(small_config: Config) -> list[Stage]:
    """A, D from A, and D from D."""
    model = ModelConfig(name="d", width=0.0625)
    parent = {"recipe": {"learning_rate": 0.01}, "init": {"name": "pretrained_a"}}
    init = InitConfig(name="from_run", parent=parent)
    return stages_of(dataclasses.replace(small_config, model=model, init=init))


def end(stage: Stage, state: State, reason: str = "") -> None:
    write_result(stage.directory, {"validation": {"best_top1_error": 5.0, "best_epoch": 1}})
    Status(state=state, reason=reason).write(stage.directory.status)


def with_weights(stage: Stage) -> None:
    stage.directory.checkpoints.mkdir(parents=True)
    stage.directory.best_checkpoint.touch()
    stage.directory.last_checkpoint.touch()


def test_each_starts_from_the_one_before(chain: list[Stage]) -> None:
    assert [stage.directory.id.partition("-")[0] for stage in chain] == ["a", "d", "d"]
    assert [stage.parent for stage in chain] == [None, *(s.directory for s in chain[:-1])]
    assert len({stage.directory.id for stage in chain}) == 3


def test_the_parents_name_is_part_of_the_runs(chain: list[Stage]) -> None:
    child = chain[-1].config
    names = {chain[-1].directory.id}
    for parent in ({"recipe": {"learning_rate": 0.02}}, {"init": {"name": "he"}}):
        init = InitConfig(name="from_run", parent=parent)
        names.add(stages_of(dataclasses.replace(child, init=init))[-1].directory.id)
    assert len(names) == 3


def test_the_same_parent_in_other_words_is_the_same_run(chain: list[Stage]) -> None:
    wordy = chain[1].config.init.parent | {"init": {"name": "gaussian"}, "model": {"name": "a"}}
    init = InitConfig(name="pretrained_a", parent=wordy)
    same = stages_of(dataclasses.replace(chain[1].config, init=init))
    assert same[-1].directory == chain[1].directory


def test_nothing_finished_is_trained_again(chain: list[Stage]) -> None:
    assert still_to_train(chain) == chain
    end(chain[0], State.FINISHED)
    assert still_to_train(chain) == chain[1:]
    end(chain[2], State.FINISHED)
    assert still_to_train(chain) == []


def test_a_run_with_a_checkpoint_needs_its_parent_no_more(chain: list[Stage]) -> None:
    with_weights(chain[1])
    assert still_to_train(chain) == chain[1:]
    assert why_it_cannot_start(chain[1]) == ""


def test_a_parent_without_weights_leaves_its_child_untrainable(chain: list[Stage]) -> None:
    end(chain[0], State.DIVERGED, "loss = inf")
    reason = why_it_cannot_start(chain[1])
    assert reason == f"its parent {chain[0].directory.id} is diverged: loss = inf"
    assert refuse_without_parent(chain[1], Status())
    status = chain[1].directory.read_status()
    assert (status.state, status.parent) == (State.UNTRAINABLE, chain[0].directory.id)
    result = json.loads(chain[1].directory.result.read_text())
    assert result["trainability"] == {"state": "untrainable", "reason": reason}
    assert "is untrainable: its parent" in why_it_cannot_start(chain[2])


def test_removed_weights_are_missed_before_the_training(chain: list[Stage]) -> None:
    end(chain[0], State.FINISHED)
    with pytest.raises(ConfigError, match=r"best\.ckpt is gone, which d-bn-s0-.* starts from"):
        why_it_cannot_start(chain[1])
    with_weights(chain[0])
    assert why_it_cannot_start(chain[1]) == ""


def test_the_weights_are_those_that_the_parent_was_tested_with(
    chain: list[Stage], small_config: Config
) -> None:
    assert weights_of(chain[1]) == chain[0].directory.best_checkpoint
    recipe = dataclasses.replace(chain[1].config.recipe, select="last")
    last = stages_of(dataclasses.replace(chain[1].config, recipe=recipe))
    assert weights_of(last[1]) == last[0].directory.last_checkpoint


def test_the_ledger_knows_what_a_waiting_run_starts_from(
    chain: list[Stage], tmp_path: Path
) -> None:
    mark_pending(chain[1])
    status = Status.read(chain[1].directory.status)
    assert (status.state, status.parent) == (State.PENDING, chain[0].directory.id)
    assert status.reason == f"starts from {chain[0].directory.id}"
    assert status.data_fingerprint == fingerprint(chain[1].config.data, tmp_path)


def test_the_time_between_a_kill_and_the_next_launch_is_nobodys(chain: list[Stage]) -> None:
    run = chain[1].directory
    status = Status()
    status.begin_attempt()
    status.history[0].started -= 7200
    status.heartbeat -= 3600
    killed = status.heartbeat
    status.write(run.status)
    mark_pending(chain[1], "SLURM job 12")
    status = run.read_status()
    assert (status.state, status.reason) == (State.PENDING, "SLURM job 12")
    (attempt,) = status.history
    assert (attempt.state, attempt.ended) == (State.INTERRUPTED, killed)
    assert attempt.reason.startswith("process ")
    assert wall_minutes([status], since=0.0) == pytest.approx(60)
    record_death(run, 2)
    assert run.read_status().history == [attempt]
    assert run.read_status().state is State.FAILED
