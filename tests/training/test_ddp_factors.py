"""``trainer.head_gradients=factors``: the same run, for other bytes between its processes.

As in ``test_ddp``, whose runs these are compared with.
"""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from ddp_runs import STEPS, TRAIN_IMAGES, Train, Trained, distances, step_losses, train

from vgglab.training.averaging import CURRENT
from vgglab.training.checkpoints import checkpoint_step, net_state


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Train:
    """``train`` in so many processes; what is asked for again is not trained again."""

    @functools.cache
    def trained(world: int, double: bool, **trainer: Any) -> Trained:
        folder = tmp_path_factory.mktemp("shared")
        return train(folder, datasets, world, double=double, trainer=trainer)

    return trained


def by_factors(folder: Path, datasets: Path, world: int = 2, **changes: Any) -> Trained:
    """``train`` with factors, whose processes end with weights of the same bits."""
    trainer = {"head_gradients": "factors"} | changes.pop("trainer", {})
    trained = train(folder, datasets, world, trainer=trainer, **changes)
    assert len(trained.sent) == world
    assert len({sent["weights"] for sent in trained.sent}) == 1
    assert len({json.dumps(sent["order"]) for sent in trained.sent}) == 1
    return trained


def head_and_rest(run: Trained) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Weight matrices of the fully connected layers, and all parameters of the convolutions."""
    state = run.state()
    head = [v for n, v in state.items() if n.startswith("net.classifier") and v.ndim == 2]
    return head, [v for n, v in state.items() if n.startswith("net.features")]


def factor_values(run: Trained, batch: int, parts: int) -> int:
    """Values of inputs and gradients of outputs that all processes gather in an epoch."""
    full, last = divmod(TRAIN_IMAGES, batch)
    rows = parts * (full * math.ceil(batch / parts) + math.ceil(last / parts))
    values: int = rows * sum(sum(weight.shape) for weight in head_and_rest(run)[0])
    return values


@pytest.mark.slow
def test_factors_give_the_weights_of_one_process(
    run: Train, tmp_path: Path, datasets: Path
) -> None:
    whole = run(1, double=True)
    parts = by_factors(tmp_path, datasets)
    assert parts.seen == whole.seen
    assert len(parts.seen[STEPS - 1]) == 25  # which two processes do not share evenly
    assert parts.errors == whole.errors
    assert 0 < max(distances(parts, whole).values()) < 1e-12
    assert step_losses(parts) == pytest.approx(step_losses(whole), rel=1e-6)
    head, rest = head_and_rest(parts)
    for sent in parts.sent:
        assert sent["ddp_bytes"] == 8 * sum(v.numel() for v in rest)
        assert len(sent["gathered_bytes"]) == STEPS * 2 * len(head) == STEPS * 6
        assert sum(sent["gathered_bytes"]) == 8 * factor_values(parts, 125, 2)


@pytest.mark.slow
def test_factors_give_the_weights_of_sums(run: Train, tmp_path: Path, datasets: Path) -> None:
    sums = run(2, double=False)
    factors = by_factors(tmp_path, datasets, double=False)
    assert 0 < distances(factors, sums)["all"] < 1e-5
    assert distances(factors, run(1, double=False))["all"] < 1e-5
    total = sum(v.numel() for v in sums.state().values())
    for sent in sums.sent:
        assert sent["ddp_bytes"] == 4 * total
        assert sent["gathered_bytes"] == []


@pytest.mark.slow
def test_micro_batches_and_shares_without_an_image(tmp_path: Path, datasets: Path) -> None:
    """The last step has two images for four parts, and the first process none of them."""
    recipe = {"batch_size": 109}
    one = train(tmp_path / "one", datasets, 1, recipe=recipe)
    two = by_factors(tmp_path / "two", datasets, recipe=recipe, trainer={"accumulate": 2})
    assert len(one.seen[22]) == 2
    assert two.seen == one.seen
    assert 0 < max(distances(two, one).values()) < 1e-12
    for sent in two.sent:
        assert sum(sent["gathered_bytes"]) == 8 * factor_values(two, 109, 4)


@pytest.mark.slow
def test_in_bf16_factors_round_as_one_process_does(tmp_path: Path, datasets: Path) -> None:
    named = {"precision": "bf16", "accumulate": 2}
    one = train(tmp_path / "one", datasets, 1, double=False, trainer={"precision": "bf16"})
    sums = train(tmp_path / "sums", datasets, 2, double=False, trainer=named)
    factors = by_factors(tmp_path / "factors", datasets, double=False, trainer=named)
    far, near = distances(sums, one)["all"], distances(factors, one)["all"]
    print(f"from one process: sums {far:.1e}, factors {near:.1e}")
    assert 0 < near < 1.5 * far
    assert near < 1e-3
    for sent in factors.sent:
        assert sum(sent["gathered_bytes"]) == 2 * factor_values(factors, 125, 4)


@pytest.mark.slow
def test_compressed_factors_are_rounded_too(run: Train, tmp_path: Path, datasets: Path) -> None:
    exact = run(1, double=False)
    bf16 = {"compress_gradients": "bf16"}
    rounded = by_factors(tmp_path, datasets, double=False, trainer=bf16)
    rounding = distances(run(2, double=False), exact)["all"]
    assert 3 * rounding < distances(rounded, exact)["all"] < 1e-3
    for sent in rounded.sent:
        assert sum(sent["gathered_bytes"]) == 2 * factor_values(rounded, 125, 2)
        # In every step the head's factors are on their way before the first of DDP's buckets.
        steps = "".join(sent["order"]).replace("b", "b ").replace("b b", "bb").split()
        assert len(steps) == STEPS
        assert {step.rstrip("b") for step in steps} == {"ffffff"}


@pytest.mark.slow
def test_clipping_averaging_and_other_optimisers(tmp_path: Path, datasets: Path) -> None:
    changes: dict[str, Any] = {
        "model": {"activation": "gelu"},
        "recipe": {
            "optimizer": "adamw",
            "learning_rate": 0.002,
            "average_weights": 0.9,
            "clip_gradients": 0.2,
            "decay_biases_and_norms": False,
        },
        "norm": "batch",
    }
    one = train(tmp_path / "one", datasets, 1, **changes)
    two = by_factors(tmp_path / "two", datasets, **changes)
    assert two.errors == one.errors
    for part in ("state_dict", CURRENT):  # the mean of the weights is of single precision
        assert max(distances(two, one, part).values()) < 1e-6


@pytest.mark.slow
def test_a_run_with_factors_goes_on_exactly(tmp_path: Path, datasets: Path) -> None:
    whole = by_factors(tmp_path / "whole", datasets, double=False)
    trainer = {"head_gradients": "factors"}
    stopped = tmp_path / "stopped"
    train(stopped, datasets, 2, double=False, stop_at=7, trainer=trainer)
    assert checkpoint_step(stopped / "run/checkpoints/last.ckpt") == 8
    resumed = by_factors(stopped, datasets, double=False)
    assert sorted(resumed.seen) == list(range(8, STEPS))
    assert {s["weights"] for s in resumed.sent} == {s["weights"] for s in whole.sent}


@pytest.mark.slow
def test_the_convolutions_of_a_compiled_net_with_an_eager_head(
    tmp_path: Path, datasets: Path
) -> None:
    model = {"name": "shallow", "blocks": [[64], [64]]}  # of few layers, to be compiled sooner
    changes: dict[str, Any] = {"model": model, "double": False}
    eager = by_factors(tmp_path / "eager", datasets, **changes)
    inductor = {"compile": "inductor"}
    compiled = by_factors(tmp_path / "compiled", datasets, trainer=inductor, **changes)
    assert compiled.result["hardware"]["compile"] == "inductor"
    assert distances(compiled, eager)["all"] < 1e-5


@pytest.mark.slow
def test_begun_by_sums_and_finished_by_factors(run: Train, tmp_path: Path, datasets: Path) -> None:
    train(tmp_path, datasets, 2, stop_at=7)
    moved = by_factors(tmp_path, datasets)
    assert sorted(moved.seen) == list(range(8, STEPS))
    # Lightning loads a checkpoint before it makes the net one of double precision.
    assert max(distances(moved, run(1, double=True)).values()) < 1e-6


@pytest.mark.slow
def test_a_loss_of_one_process_that_is_not_finite_ends_all(tmp_path: Path, datasets: Path) -> None:
    trainer = {"head_gradients": "factors"}
    train(tmp_path, datasets, 2, spoil_at=7, double=False, trainer=trainer)
    said = [(tmp_path / f"diverged.{rank}.txt").read_text() for rank in range(2)]
    assert said == ["train loss is not finite at step 7"] * 2
    kept = tmp_path / "run/checkpoints/finite.ckpt"
    assert checkpoint_step(kept) == 6
    assert all(value.isfinite().all() for value in net_state(kept).values())


@pytest.mark.slow
def test_one_process_has_nobody_to_exchange_factors_with(
    run: Train, tmp_path: Path, datasets: Path
) -> None:
    asked = train(tmp_path, datasets, 1, trainer={"head_gradients": "factors"})
    assert max(distances(asked, run(1, double=True)).values()) == 0
