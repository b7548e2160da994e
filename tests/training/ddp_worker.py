"""One process of a run, for tests: trains a config and leaves what it saw behind."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from training_runs import MemorySink

from vgglab.config.parse import parse
from vgglab.data.loaders import Batch
from vgglab.models.linear import GATHER
from vgglab.runs import RunDirectory, Status
from vgglab.training import experiment, strategy, testing, trainer
from vgglab.training.distributed import process_group
from vgglab.training.module import Classifier
from vgglab.training.outcomes import Diverged
from vgglab.training.stop import Interrupted
from vgglab.world import ALONE, world_of

HOOK = "bf16_compress_hook"


def main(folder: Path) -> None:
    """Train ``folder/config.json``; write what each step saw, and what went between processes.

    With ``DOUBLE`` in the environment, everything is computed in double precision. With
    ``STOP_AT``, the first process alone is asked to stop at that step; with ``SPOIL_AT``, the last
    process alone has a loss that is NaN at that step; with ``SPOIL_TEST``, the loss of the first
    test is NaN.
    """
    tree = json.loads((folder / "config.json").read_text())
    world = world_of(os.environ) or ALONE
    config = dataclasses.replace(parse(tree), devices=world.size)
    seen: list[Any] = []

    class Watching(Classifier):
        def __init__(self, net: nn.Module, *arguments: Any, **named: Any) -> None:
            super().__init__(net, *arguments, **named)
            if "DOUBLE" in os.environ:
                net.register_forward_pre_hook(lambda _, images: (images[0].double(),))

        def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
            pixels_n = batch.images_nchw.double().sum((1, 2, 3)).tolist()
            seen.append([self.global_step, batch.samples_n.tolist(), pixels_n])

        def on_train_end(self) -> None:
            if world.size > 1:
                bits = b"".join(value.numpy().tobytes() for value in self.net.state_dict().values())
                parallel: Any = self.trainer.strategy.model
                sent = {
                    "weights": hashlib.sha256(bits).hexdigest(),
                    "ddp_bytes": parallel._get_ddp_logging_data()["total_parameter_size_bytes"],
                    "gathered_bytes": gathered,
                    "order": order,
                }
                (folder / f"sent.{world.rank}.json").write_text(json.dumps(sent))

        def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
            loss = super().training_step(batch, batch_idx)
            last = world.rank == world.size - 1
            is_spoilt = last and os.environ.get("SPOIL_AT") == str(self.global_step + 1)
            return loss * math.nan if is_spoilt else loss

    vars(experiment)["Classifier"] = Watching
    broadcasts: list[str] = []
    send = torch.distributed.broadcast

    def counted(*arguments: Any, **named: Any) -> Any:
        broadcasts.append(traceback.format_stack(limit=2)[0])
        return send(*arguments, **named)

    vars(torch.distributed)["broadcast"] = counted
    gathered: list[int] = []
    order: list[str] = []  # f: a factor; b: a bucket of DDP's, known where gradients are compressed
    gather, compress = vars(torch.distributed)[GATHER], vars(strategy)[HOOK]

    def weighed(whole: Tensor, *arguments: Any, **named: Any) -> Any:
        gathered.append(whole.nbytes)
        order.append("f")
        return gather(whole, *arguments, **named)

    def noted(state: Any, bucket: Any) -> Any:
        order.append("b")
        return compress(state, bucket)

    noted.__annotations__.clear()  # of which DDP takes none but its own
    vars(torch.distributed)[GATHER] = weighed
    vars(strategy)[HOOK] = noted
    if "SPOIL_TEST" in os.environ:
        vars(testing)["scores_of"] = lambda *_: {"loss": math.nan}
    run = RunDirectory(folder / "run")
    run.path.mkdir(exist_ok=True)
    if "DOUBLE" in os.environ:
        trainer.PRECISIONS["fp32"] = "64-true"
    stop_at = os.environ.get("STOP_AT")
    sinks = [MemorySink(signal_at_step=int(stop_at))] if stop_at else []
    with process_group(world, "cpu") as group:
        try:
            result = experiment.run_experiment(
                config, run, Status(), sinks if world.is_first else [], group
            )
        except Interrupted:
            sys.exit(130)
        except Diverged as outcome:
            (folder / f"diverged.{world.rank}.txt").write_text(str(outcome))
            return
    (folder / f"seen.{world.rank}.json").write_text(json.dumps(seen))
    (folder / f"broadcasts.{world.rank}.json").write_text(json.dumps(broadcasts))
    if world.is_first:
        (folder / "result.json").write_text(json.dumps(result))
        assert torch.get_num_threads() == config.trainer.threads


if __name__ == "__main__":
    main(Path(sys.argv[1]))
