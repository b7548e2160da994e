"""One experiment, whatever the number of processes and micro-batches (gloo, CPU).

In double precision the parts give the whole to the last digits, in every tensor. In single
precision too, until a sum rounded in another order moves one ReLU or one maximum to its other side;
from there two trainings part, on any hardware. So what is asked of float32 is asked where that
matters little: at a low learning rate, of all parameters together.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from ddp_runs import STEPS, TRAIN_IMAGES, Trained, distances, step_losses, train

from vgglab.runs import read_metrics
from vgglab.training.averaging import CURRENT
from vgglab.training.checkpoints import checkpoint_step, net_state


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Callable[[bool], Trained]:
    """World size 1, without accumulation, by whether in double precision; each trains once."""

    @functools.cache
    def run(double: bool) -> Trained:
        return train(tmp_path_factory.mktemp("alone"), datasets, 1, double=double)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("double", [False, True], ids=["float32", "float64"])
@pytest.mark.parametrize(("world", "accumulate"), [(2, 1), (1, 3), (2, 2)])
def test_the_same_run_in_parts(
    world: int,
    accumulate: int,
    double: bool,
    alone: Callable[[bool], Trained],
    tmp_path: Path,
    datasets: Path,
) -> None:
    whole = alone(double)
    parts = train(tmp_path, datasets, world, double=double, trainer={"accumulate": accumulate})
    assert parts.seen == whole.seen
    assert len(whole.seen) == STEPS
    assert len(whole.seen[STEPS - 1]) == TRAIN_IMAGES % 125 == 25
    assert parts.errors == whole.errors
    for path in tmp_path.glob("broadcasts.*.json"):  # Lightning would send one a micro-batch
        assert json.loads(path.read_text()) == []
    apart = distances(parts, whole)
    print(
        f"world {world} x accumulation {accumulate}, {'float64' if double else 'float32'}: all "
        f"{apart.pop('all'):.1e}, worst tensor {max(apart.values()):.1e}, errors {parts.errors}"
    )
    if double:
        assert 0 < max(apart.values()) < 1e-12
    else:
        assert 0 < distances(parts, whole)["all"] < 1e-5
    losses = [step_losses(run) for run in (whole, parts)]
    assert len(losses[0]) == STEPS
    assert losses[1] == pytest.approx(losses[0], rel=1e-6 if double else 1e-3)
    tables = [pq.read_table(r.folder / "run/predictions/center.parquet") for r in (parts, whole)]
    for column in ("index", "label", "original"):
        assert tables[0][column].equals(tables[1][column])
    values = [np.stack(table["log_probabilities"].to_numpy()) for table in tables]
    np.testing.assert_allclose(values[0], values[1], atol=1e-6 if double else 1e-2)


@pytest.mark.slow
def test_a_clipped_step_is_that_of_all_processes_together(tmp_path: Path, datasets: Path) -> None:
    recipe = {
        "optimizer": "nesterov",
        "clip_gradients": 0.2,
        "label_smoothing": 0.1,
        "decay_biases_and_norms": False,
    }
    one = train(tmp_path / "one", datasets, 1, recipe=recipe)
    two = train(tmp_path / "two", datasets, 2, recipe=recipe, trainer={"accumulate": 2})
    free = train(tmp_path / "free", datasets, 1, recipe=recipe | {"clip_gradients": 0.0})
    assert 0 < max(distances(two, one).values()) < 1e-12
    assert distances(free, one)["all"] > 1e-3, "the limit was never reached"
    assert step_losses(two) == pytest.approx(step_losses(one), rel=1e-6)


@pytest.mark.slow
def test_other_layers_and_averaged_weights_are_those_of_one_process(
    tmp_path: Path, datasets: Path
) -> None:
    changes: dict[str, Any] = {
        "model": {"name": "plain", "layers": 16, "skip": "identity", "activation": "gelu"},
        "norm": "group",
        "recipe": {"optimizer": "adamw", "learning_rate": 0.002, "average_weights": 0.9},
    }
    one = train(tmp_path / "one", datasets, 1, **changes)
    two = train(tmp_path / "two", datasets, 2, trainer={"accumulate": 2}, **changes)
    assert two.errors == one.errors
    assert step_losses(two) == pytest.approx(step_losses(one), rel=1e-6)
    assert len(list((tmp_path / "two").glob("seen.*.json"))) == 2
    for part in ("state_dict", CURRENT):  # the mean of the weights, and those of the next step
        assert max(distances(two, one, part).values()) < 1e-6  # the mean is of single precision
    current = one.state(CURRENT)
    assert not any(torch.equal(current[name], mean) for name, mean in one.state().items())


@pytest.mark.slow
def test_batch_norm_synchronised_is_batch_norm(tmp_path: Path, datasets: Path) -> None:
    one = train(tmp_path / "one", datasets, 1, norm="batch")
    two = train(tmp_path / "two", datasets, 2, norm="batch")
    local = train(tmp_path / "local", datasets, 2, norm="batch", trainer={"batch_norm": "local"})
    assert two.errors == one.errors
    assert max(distances(two, one).values()) < 1e-8
    assert distances(local, one)["all"] > 1e-2


@pytest.mark.slow
def test_compressed_gradients_are_rounded(
    alone: Callable[[bool], Trained], tmp_path: Path, datasets: Path
) -> None:
    exact = train(tmp_path / "exact", datasets, 2, double=False)
    bf16 = {"compress_gradients": "bf16"}
    rounded = train(tmp_path / "rounded", datasets, 2, double=False, trainer=bf16)
    assert rounded.seen == alone(False).seen
    # At a rate so low the weights move little, and what rounding does to that is less still.
    rounding = distances(exact, alone(False))["all"]
    assert 3 * rounding < distances(rounded, alone(False))["all"] < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [((1, 1), (2, 2)), ((2, 2), (1, 1))],
    ids=["1 to 2x2", "2x2 to 1"],
)
def test_begun_on_some_and_finished_on_others(
    before: tuple[int, int],
    after: tuple[int, int],
    alone: Callable[[bool], Trained],
    tmp_path: Path,
    datasets: Path,
) -> None:
    train(tmp_path, datasets, before[0], stop_at=7, trainer={"accumulate": before[1]})
    step = checkpoint_step(tmp_path / "run/checkpoints/last.ckpt")
    assert step == (7 if before[0] == 1 else 8)  # several processes agree a step later
    moved = train(tmp_path, datasets, after[0], trainer={"accumulate": after[1]})
    assert sorted(moved.seen) == list(range(step, STEPS))
    # Lightning loads a checkpoint before it makes the net one of double precision.
    assert max(distances(moved, alone(True)).values()) < 1e-6
    assert moved.errors == alone(True).errors
    steps = [r["step"] for r in read_metrics(tmp_path / "run/metrics.jsonl")]
    assert steps == sorted(set(steps))
    assert steps[-1] == STEPS


@pytest.mark.slow
def test_a_test_that_is_not_finite_ends_all_processes_alike(tmp_path: Path, datasets: Path) -> None:
    """The first alone knows the loss; the others went on to the tests at other scales, and died of
    a closed connection."""
    tests = {"name": "center", "also": ["multi_scale"]}
    train(tmp_path, datasets, 2, spoil_test=True, double=False, protocol=tests)
    said = [(tmp_path / f"diverged.{rank}.txt").read_text() for rank in range(2)]
    assert said == ["test loss = nan under protocol=center"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 2])
def test_where_one_process_goes_bad_all_end_at_that_step(
    accumulate: int, tmp_path: Path, datasets: Path
) -> None:
    """The last process's loss is NaN; the first, whose own is fine, says so and keeps the net."""
    train(tmp_path, datasets, 2, spoil_at=7, double=False, trainer={"accumulate": accumulate})
    said = [(tmp_path / f"diverged.{rank}.txt").read_text() for rank in range(2)]
    assert said == ["train loss is not finite at step 7"] * 2
    kept = tmp_path / "run/checkpoints/finite.ckpt"
    assert checkpoint_step(kept) == 6
    assert all(value.isfinite().all() for value in net_state(kept).values())
