"""Where a run goes on from: the latest checkpoint that is whole, with all that belongs to it."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from pytorch_lightning.callbacks import ModelCheckpoint

from vgglab.data.errors import DataError
from vgglab.runs import RunDirectory
from vgglab.runs.metrics import is_as_marked, read_metrics
from vgglab.training.checkpoints import RECORDS, checkpoint_step, fault_of, loaded
from vgglab.training.result import best_record

log = logging.getLogger(__name__)


def _fault_to_resume(path: Path) -> str:
    """Why a run does not go on from a checkpoint of its folder; empty where it can."""
    if found := fault_of(path):
        return found
    run = RunDirectory(path.parent.parent)
    try:
        stored = loaded(path, mmap=True)  # no tensor of it is read
        int(stored["global_step"])
        callbacks = stored["callbacks"]
    except (DataError, KeyError, TypeError, ValueError) as error:
        return f"is no checkpoint of a run ({error})"
    kept = [v for key, v in callbacks.items() if key.startswith(ModelCheckpoint.__qualname__)]
    # Versions of before 27 November 2026 wrote no stamp, but where the run's folder was.
    owners = {Path(folder).parent.name for state in kept if (folder := state.get("dirpath"))}
    if owners - {run.id}:
        return f"is of another run, {owners.pop()}"
    return ""


def fault_of_best(run: RunDirectory, path: Path, step: float = math.inf) -> str:
    """Why a file has not the best weights that a run had at a step; empty where it has.

    Args:
        run: the run.
        path: of ``best.ckpt``, or of the one before it.
        step: of the run; infinite: at its end.
    """
    best = _best_step(run, step)
    if best is None:
        return ""
    if not path.exists():
        return "is gone"
    return fault_of(path) or _fault_of_step(path, best)


def fault_of_epoch(run: RunDirectory, path: Path) -> str:
    """Why the weights of a whole file are not those of a run's best epoch; empty where they are."""
    best = _best_step(run)
    return "" if best is None else _fault_of_step(path, best)


def _best_step(run: RunDirectory, step: float = math.inf) -> int | None:
    """That of the best epoch until then; None before the first has ended."""
    best = best_record(record for record in read_metrics(run.metrics) if record["step"] <= step)
    return None if best is None else int(best["step"])


def _fault_of_step(path: Path, best: int) -> str:
    written = checkpoint_step(path)
    return "" if written == best else f"is of step {written}, not of {best}"


def _find_best(run: RunDirectory, step: int) -> str:
    """Have the best weights at a step in ``best.ckpt``, or say why they are not to be had."""
    found = fault_of_best(run, run.best_checkpoint, step)
    if found and not fault_of_best(run, run.previous_best_checkpoint, step):
        run.previous_best_checkpoint.replace(run.best_checkpoint)
        found = ""
    return f"needs {run.best_checkpoint.name}, which {found}" if found else ""


def checkpoint_to_resume(run: RunDirectory, select: str = "best") -> Path | None:
    """The latest checkpoint that the run can go on from; None where it begins from the beginning.

    One that is passed over is called ``last.unusable`` from then on, where it would otherwise
    become ``previous.ckpt`` instead of the one that is used.

    Args:
        run: the run.
        select: ``recipe.select``; with ``last`` nothing needs the best weights, which a finished
            run has not kept.

    Raises:
        DataError: ``metrics.jsonl`` has lost records that are before each whole checkpoint.
    """
    passed: list[Path] = []
    lost_records = False
    for path in (run.last_checkpoint, run.previous_checkpoint):
        if not path.exists():
            continue
        found = _fault_to_resume(path)
        if not found and not is_as_marked(run.metrics, loaded(path, mmap=True).get(RECORDS)):
            found = f"follows records that {run.metrics.name} has lost"
            lost_records = True
        if not found and select == "best":
            found = _find_best(run, checkpoint_step(path))
        if not found:
            for other in passed:
                other.replace(other.with_suffix(".unusable"))
            return path
        passed.append(path)
        log.warning("%s %s; going on from what was before it", path, found)
    if lost_records:  # the weights are there, and the user may have the records elsewhere
        raise DataError(
            f"{run.metrics}: lines of it were lost or changed; put them back, or remove {run.path} "
            "to train the run anew"
        )
    if passed:
        log.warning("%s: no checkpoint is left to go on from; training begins anew", run.id)
    return None
