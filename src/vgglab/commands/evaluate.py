"""``task=evaluate``: finished runs under further protocols, fused runs, published weights."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.runs import RunDirectory, State
from vgglab.runs.records import read_result
from vgglab.training.imports import import_lightning
from vgglab.workflow.compose import has_sweep
from vgglab.workflow.evaluation import ERRORS, catch_up, config_to_test, named_runs, skipped_note
from vgglab.workflow.gpus import refuse_without_gpus
from vgglab.workflow.output import Row, print_rows
from vgglab.workflow.this_command import points_of_this_command


def evaluate(config: Config) -> None:
    """Test what ``run``, ``sweeps``, ``fuse`` or ``weights`` names.

    Raises:
        ConfigError: none or several of them, or what they name cannot be tested so.
        DataError: images or weights are gone.
    """
    ways: dict[str, tuple[bool, Callable[[Config], None]]] = {
        "run": (bool(config.run), _evaluate_runs),
        "fuse": (bool(config.fuse), _fuse),
        "weights": (bool(config.weights), _evaluate_weights),
        "sweeps": (has_sweep(), _evaluate_runs),
    }
    given = [name for name, (is_given, _) in ways.items() if is_given]
    if len(given) != 1:
        raise ConfigError(
            "task=evaluate takes one of run=<id>, sweeps=<name>, fuse=[<run>,<run>] and "
            f"weights=<file>; got {' and '.join(given) or 'none'}"
        )
    ways[given[0]][1](config)


# Imported in functions: runs that lack no test are printed without loading torch.
def _fuse(config: Config) -> None:
    import_lightning()
    from vgglab.workflow.fusion import fuse

    fuse(config)


def _evaluate_weights(config: Config) -> None:
    refuse_without_gpus(config)
    import_lightning()
    from vgglab.workflow.published_weights import evaluate_weights

    evaluate_weights(config)


def _evaluate_runs(config: Config) -> None:
    rows: list[Row] = []
    for directory in _directories(config):
        rows += _evaluated(config, directory)
    print_rows(rows, config.format)
    if has_sweep() and config.format == "table":
        print("the study's report with these: task=report")


def _directories(config: Config) -> list[RunDirectory]:
    if has_sweep():
        # The protocol of this command is not that of the study's points, which names their runs.
        return [point.directory for point in points_of_this_command(leave_out=("protocol",))]
    return named_runs(config)


def _evaluated(config: Config, directory: RunDirectory) -> list[Row]:
    """The rows of one run, tested first where it was not."""
    if has_sweep() and not directory.config.exists():
        print(f"{directory.id}: not started; left out", file=sys.stderr)
        return []
    of_run = config_to_test(directory, config)
    if directory.is_claimed():
        print(f"{directory.id}: another process works on it; waiting", file=sys.stderr)
    with directory.claim():
        status = directory.read_status()
        if status.state is not State.FINISHED:
            if not has_sweep():
                raise ConfigError(f"run={directory.id}: {status.state}: it has no weights to test")
            print(f"{directory.id}: {status.state}; left out", file=sys.stderr)
            return []
        tested = {procedure.label for procedure in catch_up(of_run, directory)}
        result = read_result(directory)
    for procedure in of_run.procedures:
        how = "tested" if procedure.label in tested else "was tested before"
        print(f"{directory.id}: {how} under {procedure.label}", file=sys.stderr)
    if note := skipped_note(result):
        print(f"{directory.id}: {note}", file=sys.stderr)
    return [_row(directory.id, procedure.label, result) for procedure in of_run.procedures]


def _row(name: str, label: str, result: Mapping[str, Any]) -> Row:
    """The numbers of one test in a result; errors are percentages."""
    errors, about = result["errors"][label], result.get("tests", {}).get(label, {})
    return {
        "run": name,
        "protocol": label,
        "scales": about.get("scales"),
        **{error: errors.get(error) for error in ERRORS},
        "images": errors["images"],
        "seconds": about.get("seconds"),
    }
