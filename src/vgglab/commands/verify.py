"""``task=verify``: a finished run interrupted at every kind of moment, and its certificate."""

from __future__ import annotations

import datetime
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vgglab.config import Config, plain
from vgglab.config.parse import ConfigError
from vgglab.runs import RunDirectory, State
from vgglab.runs.records import (
    Certificate,
    Interruption,
    read_result,
    write_certificate,
)
from vgglab.verify.compare import PARTS, differences, recorded_differences
from vgglab.verify.trials import TrialResult, Trials
from vgglab.workflow.evaluation import config_here, named_runs
from vgglab.workflow.gpus import refuse_without_gpus
from vgglab.workflow.output import Row, print_rows
from vgglab.workflow.pretraining import first_weights
from vgglab.workflow.provenance import commit, source, versions


def verify(config: Config) -> None:
    """Write ``verify.json`` of each run that is named, and print it.

    Raises:
        ConfigError: none is named, one is not there or not finished, or there is no such GPU.
        SystemExit: a resumed run differs from the undisturbed one.
    """
    if not config.run:
        raise ConfigError("task=verify needs run=<id>; task=runs lists those that are there")
    refuse_without_gpus(config)
    runs = named_runs(config)
    configs = [_config_of(run, config) for run in runs]
    certificates = [_verified(*pair, config) for pair in zip(runs, configs, strict=True)]
    rows: list[Row] = [
        {"run": certificate["run"], **row}
        for certificate in certificates
        for row in certificate["interruptions"]
    ]
    print_rows(
        rows, config.format, document=certificates, tables=lambda: _tables(certificates, runs)
    )
    if not all(certificate["equal"] for certificate in certificates):
        raise SystemExit(1)


def _config_of(run: RunDirectory, command: Config) -> Config:
    """A finished run's config, for one process of this machine.

    Raises:
        ConfigError: there is no such run, or it has not finished.
    """
    # The certificate is about the bits that were recorded, and threads and kernels round.
    here = {"accelerator": command.trainer.accelerator, "progress": False}
    config = config_here(
        run,
        command,
        lambda stored: {"trainer": plain(stored.trainer) | here, "tracking": {"mode": "off"}},
    )
    state = run.read_status().state
    if state is not State.FINISHED:
        raise ConfigError(f"run={run.id}: {state}: only a finished run is verified")
    return config


def _shortened(config: Config, epochs: int) -> dict[str, Any]:
    """The config as a tree, of at most so many epochs; 0: of all."""
    tree = plain(config)
    if epochs:
        tree["recipe"]["epochs"] = min(epochs, config.recipe.epochs)
    return tree


def _verified(run: RunDirectory, config: Config, command: Config) -> Certificate:
    tree = _shortened(config, command.verify.epochs)
    # Of the whole run: a parent follows from its child's config.
    weights = first_weights(config)
    if weights is not None and not weights.exists():
        raise ConfigError(f"{weights} is gone, which {run.id} starts from")
    begun = time.time()
    folder = config.paths.runs_folder.absolute().parent  # on the same disk, and not among the runs
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=folder) as scratch:
        trials = Trials(tree, weights and weights.absolute(), Path(scratch))
        found = _trials(trials, run, config.recipe.epochs)
    certificate: Certificate = {
        "run": run.id,
        **found,
        "epochs": tree["recipe"]["epochs"],
        "of_epochs": config.recipe.epochs,
        "when": datetime.datetime.fromtimestamp(begun, datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.time() - begun, 1),
        "commit": commit(),
        "source": source(),
        "versions": versions(),
    }
    write_certificate(run, certificate)
    return certificate


def _trials(trials: Trials, run: RunDirectory, recorded_epochs: int) -> Certificate:
    """The part of ``verify.json`` that the trials find out."""
    _say(f"{run.id}: undisturbed, {trials.epochs} epochs")
    reference = trials.undisturbed()
    rows: list[Interruption] = []
    left_out: list[str] = []
    for outcome in trials.interrupted(reference):
        if isinstance(outcome, TrialResult):
            rows.append(_row(outcome))
            _say(f"{run.id}: {_how(rows[-1])}: {_equal(rows[-1])}")
        else:
            left_out.append(outcome.name)
    equal = not any(row["different"] for row in rows)
    found: Certificate = {
        "equal": equal,
        "compared": list(PARTS),
        "interruptions": rows,
        "without_such_a_moment": left_out,
        "machine": read_result(reference)["hardware"],
    }
    if not equal:  # whose fault is it?
        again = differences(reference, trials.undisturbed("again"))
        found["undisturbed_twice_different"] = _names(again)
    if recorded_epochs == trials.epochs:
        found["recorded_different"] = _names(recorded_differences(reference, run))
    return found


def _names(different: Mapping[str, bool]) -> list[str]:
    return [name for name, differs in different.items() if differs]


def _row(outcome: TrialResult) -> Interruption:
    interruption = outcome.interruption
    return {
        "where": interruption.boundary.name,
        "moment": str(interruption.boundary.moment),
        "at": interruption.at,
        "of": interruption.of,
        "signal": interruption.boundary.sent.name,
        "resumed_from_step": outcome.resumed_from,
        "different": _names(outcome.different),
    }


def _how(row: Interruption) -> str:
    return f"{row['signal']} {row['where']} ({row['moment']} {row['at']} of {row['of']})"


def _equal(row: Interruption) -> str:
    return f"different: {', '.join(row['different'])}" if row["different"] else "all equal"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _tables(
    certificates: Sequence[Certificate], runs: Sequence[RunDirectory]
) -> Iterator[RenderableType]:
    for certificate, run in zip(certificates, runs, strict=True):
        yield _table(certificate)
        epochs = f"{certificate['epochs']} of {certificate['of_epochs']} epochs"
        compared = ", ".join(certificate["compared"])
        yield Text(f"compared: {compared}; trained as a run of {epochs}")
        yield from map(Text, notes(certificate))
        yield Text(f"certificate: {run.certificate}")


def _table(certificate: Certificate) -> Table:
    table = Table(title=certificate["run"], title_justify="left")
    for column in ("interrupted", "by", "moment", "went on from step", "compared with undisturbed"):
        table.add_column(column, justify="right" if "step" in column else "left")
    for row in certificate["interruptions"]:
        moment = f"{row['moment']} {row['at']} of {row['of']}"
        from_step = str(row["resumed_from_step"])
        table.add_row(row["where"], row["signal"], moment, from_step, _equal(row))
    return table


def notes(certificate: Certificate) -> Sequence[str]:
    """Return what else a reader of a certificate must know, in lines."""
    found = []
    if missing := certificate["without_such_a_moment"]:
        found.append(f"not tried, for want of such a moment: {', '.join(missing)}")
    if (twice := certificate.get("undisturbed_twice_different")) is not None:
        found.append(
            f"two undisturbed runs differ here too: {', '.join(twice)}"
            if twice
            else "two undisturbed runs are equal: the resume is not exact"
        )
    if (recorded := certificate.get("recorded_different")) is not None:
        found.append(
            f"the run as recorded differs from this one: {', '.join(recorded)}"
            if recorded
            else "the run as recorded is equal too"
        )
    return found
