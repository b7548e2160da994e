"""A run from config to result, on real digits; and the same run, interrupted."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook
from training_runs import (
    KillAt,
    Killed,
    MemorySink,
    assert_same_bits,
    directory,
    steady,
    weights,
)  # fmt: skip

from vgglab.config import Config, ScheduleConfig
from vgglab.config.parse import parse
from vgglab.config.recipe import ScheduleName
from vgglab.data.errors import DataError
from vgglab.evaluation.predictions import errors_of
from vgglab.runs import RunDirectory, Status, read_metrics
from vgglab.runs.disk import spare_checkpoints
from vgglab.training.checkpoints import checkpoint_step
from vgglab.training.experiment import check_parts, run_experiment
from vgglab.training.net_cost import net_cost
from vgglab.training.outcomes import Diverged
from vgglab.training.stop import Interrupted


@pytest.fixture(scope="module")
def finished(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {}


@pytest.fixture
def uninterrupted(
    small_config: Config, finished: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunDirectory, dict[str, Any], MemorySink]:
    """A run that nothing disturbed; made once for this file."""
    if not finished:
        sink = MemorySink()
        run = directory(tmp_path_factory.mktemp("uninterrupted"))
        result = run_experiment(small_config, run, Status(), [sink])
        finished["value"] = (run, result, sink)
    value: tuple[RunDirectory, dict[str, Any], MemorySink] = finished["value"]
    return value


@pytest.mark.parametrize(
    ("images", "fields", "fits"),
    [
        (45_000, {"accumulate": 8}, False),  # 8 are left of 64 a step: one a part
        (45_000, {"accumulate": 4}, True),
        (45_000, {"accumulate": 4, "devices": 2}, True),  # over both devices
        (45_000, {"accumulate": 4, "devices": 2, "batch_norm": "local"}, False),
        (45_000, {"accumulate": 8, "norm": "group"}, True),
        (45_000, {"accumulate": 8, "pooling": "max"}, True),  # 2x2 px before the last pooling
        (45_000, {"accumulate": 16, "pooling": "max"}, False),  # no image at all in some
        (44_993, {"accumulate": 1}, False),
        (44_992, {"accumulate": 32}, True),
        (44_992, {"accumulate": 33}, False),
    ],
)
def test_batch_norm_has_a_variance_in_each_part(
    images: int, fields: dict[str, Any], fits: bool
) -> None:
    fields = dict(fields)
    devices = fields.pop("devices", 1)
    config = parse(
        {
            "model": {"name": "a", "width": 0.1, "pooling": fields.pop("pooling", "stride")},
            "norm": {"name": fields.pop("norm", "batch")},
            "data": {"name": "cifar10"},
            "recipe": {"batch_size": 64},
            "trainer": {"accelerator": "cpu"} | fields,
            "devices": devices,
        }
    )
    if fits:
        check_parts(config, images, net_cost(config))
        return
    with pytest.raises(DataError, match=r"a channel of bn\d_\d has fewer than 2 values"):
        check_parts(config, images, net_cost(config))


Uninterrupted = tuple[RunDirectory, dict[str, Any], MemorySink]


def test_it_learns_and_reports_percent(uninterrupted: Uninterrupted) -> None:
    _, result, _ = uninterrupted
    error = result["errors"]["center"]["top1_error"]
    assert 0 <= error < 60  # chance is 83.3
    assert 0 <= result["errors"]["center"]["top5_error"] <= error
    assert result["errors"]["center"]["images"] == 300
    assert result["cost"]["weight_layers"] == 11


def test_stored_predictions_give_the_metric(uninterrupted: Uninterrupted) -> None:
    run, result, _ = uninterrupted
    table = pq.read_table(run.predictions("center"))
    errors = errors_of(table, (1, 5))
    assert errors[1] == pytest.approx(result["errors"]["center"]["top1_error"], abs=1e-4)
    assert errors[5] == pytest.approx(result["errors"]["center"]["top5_error"], abs=1e-4)
    assert sorted(table["index"].to_pylist()) == list(range(300))
    likelihoods = np.exp(np.stack(table["log_probabilities"].to_numpy())).sum(axis=1)
    assert np.allclose(likelihoods, 1, atol=1e-4)


def test_records_have_exact_axes_and_every_split(uninterrupted: Uninterrupted) -> None:
    run, result, sink = uninterrupted
    records = read_metrics(run.metrics)
    assert records == sink.records
    steps = [record["step"] for record in records]
    assert steps == sorted(set(steps))
    assert steps == [4, 8, 12, 16, 19, 20, 24, 28, 32, 36, 38]
    epochs = [record for record in records if "validation/loss" in record]
    assert [record["epoch"] for record in epochs] == [1.0, 2.0]
    assert [record["images_seen"] for record in epochs] == [2400, 4800]
    # 19 steps of an epoch: 18 of 128 images and one of the 96 that are left.
    of_steps = [record for record in records if "train/step_loss" in record]
    exact = {step: 2400 * (step // 19) + 128 * (step % 19) for step in range(39)}
    assert [r["images_seen"] for r in of_steps] == [exact[r["step"]] for r in of_steps]
    assert all(r["epoch"] == round(r["images_seen"] / 2400, 6) for r in records)
    for split in ("train", "validation"):
        assert {f"{split}/{name}" for name in ("loss", "top1_error", "top5_error")} <= set(
            epochs[0]
        )
    best = min(epochs, key=lambda record: float(record["validation/top1_error"]))
    assert result["validation"]["best_epoch"] == best["epoch"]


def test_an_epochs_last_step_is_in_the_epochs_record(small_config: Config, tmp_path: Path) -> None:
    trainer = dataclasses.replace(small_config.trainer, log_every=19)
    run = directory(tmp_path)
    run_experiment(dataclasses.replace(small_config, trainer=trainer), run, Status(), [])
    records = read_metrics(run.metrics)
    assert [record["step"] for record in records] == [19, 38]
    assert all({"train/step_loss", "validation/loss"} <= record.keys() for record in records)


@pytest.mark.slow
def test_a_random_generator_used_before_changes_nothing(
    small_config: Config, tmp_path: Path, uninterrupted: Uninterrupted
) -> None:
    torch.manual_seed(99)
    np.random.default_rng(1)
    run = directory(tmp_path)
    run_experiment(small_config, run, Status(), [])
    assert_same_bits(weights(run), weights(uninterrupted[0]))


@pytest.mark.parametrize(
    "step", [19, *(pytest.param(step, marks=pytest.mark.slow) for step in (4, 16, 24, 38))]
)
def test_interrupted_and_resumed_is_uninterrupted(
    step: int, small_config: Config, tmp_path: Path, uninterrupted: Uninterrupted
) -> None:
    """Steps 4, 16 and 24 are within an epoch of 19 steps; 19 and 38 are its last."""
    run = directory(tmp_path)
    with pytest.raises(Interrupted, match="SIGTERM"):
        run_experiment(small_config, run, Status(), [MemorySink(signal_at_step=step)])
    assert checkpoint_step(run.last_checkpoint) == step
    sink = MemorySink()
    result = run_experiment(small_config, run, Status(), [sink])
    _, expected, undisturbed = uninterrupted
    assert_same_bits(weights(run), weights(uninterrupted[0]))
    assert steady(read_metrics(run.metrics)) == steady(undisturbed.records)
    assert steady([*sink.history, *sink.records]) == steady(undisturbed.records)
    assert result["errors"] == expected["errors"]
    assert result["validation"] == expected["validation"]


@pytest.mark.slow
def test_a_kill_within_an_epoch_loses_minutes_not_the_epoch(
    small_config: Config, tmp_path: Path, uninterrupted: Uninterrupted
) -> None:
    trainer = dataclasses.replace(small_config.trainer, checkpoint_minutes=1e-6)
    config = dataclasses.replace(small_config, trainer=trainer)
    run = directory(tmp_path)
    with pytest.raises(Killed):
        run_experiment(config, run, Status(), [KillAt(12)])
    assert checkpoint_step(run.last_checkpoint) == 11
    run_experiment(small_config, run, Status(), [])
    assert_same_bits(weights(run), weights(uninterrupted[0]))


@pytest.mark.slow
def test_plateau_ends_the_training_at_the_last_plateau(
    small_config: Config, tmp_path: Path
) -> None:
    schedule = ScheduleConfig(name="plateau", patience=1, drops=1)
    recipe = dataclasses.replace(
        small_config.recipe, schedule=schedule, learning_rate=1e-12, epochs=9
    )
    run, config = directory(tmp_path), dataclasses.replace(small_config, recipe=recipe)
    result = run_experiment(config, run, Status(), [])
    rates = [r["learning_rate"] for r in read_metrics(run.metrics) if "validation/loss" in r]
    assert len(rates) < 9
    assert min(rates) == pytest.approx(1e-13)
    # A run that has finished keeps no other checkpoint; with its result gone it is only tested.
    for path in spare_checkpoints(run, config):
        path.unlink()
    records = run.metrics.read_bytes()
    assert run_experiment(config, run, Status(), [])["errors"] == result["errors"]
    assert run.metrics.read_bytes() == records


@pytest.mark.parametrize("name", ["cosine", "step", "plateau"])
def test_a_record_has_the_rate_that_its_step_was_made_with(
    small_config: Config, tmp_path: Path, name: ScheduleName
) -> None:
    schedule = ScheduleConfig(name=name, step_epochs=1, patience=9)
    config = dataclasses.replace(
        small_config,
        recipe=dataclasses.replace(small_config.recipe, schedule=schedule, epochs=2),
        trainer=dataclasses.replace(small_config.trainer, log_every=1),
    )
    run = directory(tmp_path)
    made: list[float] = []
    watch = register_optimizer_step_pre_hook(
        lambda optimizer, *_: made.append(optimizer.param_groups[0]["lr"])
    )
    try:
        run_experiment(config, run, Status(), [])
    finally:
        watch.remove()
    rates = [record["learning_rate"] for record in read_metrics(run.metrics)]
    assert rates == made
    assert len({*rates}) == {"cosine": len(rates), "step": 2, "plateau": 1}[name]


@pytest.mark.filterwarnings("ignore:.*invalid value.*")
def test_a_loss_that_is_not_finite_ends_as_diverged(small_config: Config, tmp_path: Path) -> None:
    recipe = dataclasses.replace(small_config.recipe, learning_rate=100.0, momentum=0.99)
    norm = dataclasses.replace(small_config.norm, name="none")
    config = dataclasses.replace(small_config, recipe=recipe, norm=norm)
    with pytest.raises(Diverged, match=r"not finite|loss = "):
        run_experiment(config, directory(tmp_path), Status(), [])


@pytest.mark.slow
def test_bf16_and_contiguous_train_too(small_config: Config, tmp_path: Path) -> None:
    trainer = dataclasses.replace(
        small_config.trainer, precision="bf16", memory_format="contiguous"
    )
    config = dataclasses.replace(small_config, trainer=trainer)
    result = run_experiment(config, directory(tmp_path), Status(), [])
    assert result["errors"]["center"]["top1_error"] < 60
    assert result["hardware"]["precision"] == "bf16"
