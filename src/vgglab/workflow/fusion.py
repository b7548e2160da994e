"""Several nets or protocols as one: their mean posterior, from stored predictions. Loads torch."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from vgglab.config import Config, semantic
from vgglab.config.parse import ConfigError
from vgglab.evaluation.fusion import Fused, fused
from vgglab.runs import RunDirectory, load_run
from vgglab.runs.atomic import write_json, write_text
from vgglab.runs.records import read_result
from vgglab.workflow.evaluation import ERRORS, config_to_test, names
from vgglab.workflow.output import Row, print_rows
from vgglab.workflow.same_data import why_other_data

TRAINING_ONLY = ("shift", "flip", "train_images")
"""Fields of the data that do not say what the test images are."""
WHY = "predictions hold the likeliest classes of an image, not all"


@dataclasses.dataclass(frozen=True)
class Member:
    """One run under one protocol, tested before."""

    directory: RunDirectory
    label: str
    config: Config

    @property
    def name(self) -> str:
        """The name by which ``fuse`` takes it."""
        return f"{self.directory.id}:{self.label}"

    @property
    def predictions(self) -> Path:
        """The file of its predictions for every test image."""
        return self.directory.predictions(self.label)

    @property
    def data(self) -> dict[str, Any]:
        """The fields that decide its test images."""
        fields = semantic(self.config.data)
        return {name: value for name, value in fields.items() if name not in TRAINING_ONLY}


def fuse(config: Config) -> None:
    """Print and write the errors of the members and of their mean posterior; no net is loaded.

    Raises:
        ConfigError: a member is not there, not tested so, or tested on other images.
    """
    members = [_member(text, config) for text in names(config.fuse)]
    for member in members[1:]:
        if member.data != members[0].data:
            raise ConfigError(
                f"fuse: {member.name} was tested on other images than {members[0].name}"
            )
    records = [load_run(member.directory.path) for member in members]
    if why := why_other_data(records, config.paths.data_folder):
        raise ConfigError(f"fuse: {why}; posteriors of other images cannot be averaged")
    classes = members[0].config.data.classes
    top_k = members[0].config.protocol.top_k
    try:
        found = fused([pq.read_table(m.predictions) for m in members], classes, top_k)
    except ValueError as error:
        raise ConfigError(f"fuse: {error}") from error
    rows = [_of_member(member) for member in members] + [_of_all(members, found)]
    written = _write(config, members, found, rows)
    if not found.is_exact:
        print(f"the mean posterior's errors are within {_bounds(found)}: {WHY}", file=sys.stderr)
    print_rows(rows, config.format)
    if config.format == "table":
        print(f"written: {written}")


def _member(text: str, config: Config) -> Member:
    name, _, label = text.partition(":")
    directory = RunDirectory(config.paths.run_folder(name))
    of_run = config_to_test(directory, config)
    label = label or of_run.procedures[0].label
    member = Member(directory, label, of_run)
    tested = sorted(read_result(directory).get("errors", {}))
    if label not in tested or not member.predictions.exists():
        raise ConfigError(
            f"fuse: {name} has no predictions under {label}, only under "
            f"{', '.join(tested) or 'none'}; task=evaluate run={name} protocol=... makes them"
        )
    return member


def _of_member(member: Member) -> Row:
    errors = read_result(member.directory)["errors"][member.label]
    return {
        "net": member.name,
        **{error: errors.get(error) for error in ERRORS},
        "images": errors["images"],
    }


def _of_all(members: Sequence[Member], found: Fused) -> Row:
    return {
        "net": f"mean posterior of {len(members)}",
        **{error: found.errors.get(k) for error, k in zip(ERRORS, (1, 5), strict=True)},
        "images": found.images,
    }


def _bounds(found: Fused) -> str:
    spans = found.bounds.items()
    return ", ".join(f"top-{k} {low:.2f} to {high:.2f} %" for k, (low, high) in spans)


def _write(config: Config, members: Sequence[Member], found: Fused, rows: Sequence[Row]) -> Path:
    """Write ``studies/<study>/fusion/<hash of the members>.json`` and its ``.csv``."""
    key = hashlib.sha256("\n".join(member.name for member in members).encode()).hexdigest()[:12]
    path = config.study_folder / "fusion" / f"{key}.json"
    write_json(
        path,
        {
            "members": [member.name for member in members],
            "rows": [dict(row) for row in rows],
            "errors": {f"top{k}_error": error for k, error in found.errors.items()},
            "bounds": {f"top{k}_error": list(bounds) for k, bounds in found.bounds.items()},
            "exact": found.is_exact,
        },
    )
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path.with_suffix(".csv"), text.getvalue())
    return path
