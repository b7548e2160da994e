"""``task=prune``: say what of ended runs nothing needs any more, and remove it on request."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import Timeout
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from vgglab.config import Config
from vgglab.config.infrastructure import PruneKind
from vgglab.config.parse import ConfigError, parse_stored
from vgglab.data.errors import DataError
from vgglab.launch import snapshot
from vgglab.report.wording import plural
from vgglab.runs import RunDirectory, State, Status, read_config
from vgglab.runs.disk import bytes_of, spare_checkpoints
from vgglab.study.stored import STUDY
from vgglab.tracking.local_files import uploaded_files
from vgglab.workflow.compose import has_sweep
from vgglab.workflow.output import megabytes, print_rows
from vgglab.workflow.pretraining import stages_of
from vgglab.workflow.this_command import runs_of_this_command

ABOUT: dict[PruneKind, str] = {
    "checkpoints": "of finished runs, beside the one that is tested",
    "wandb": "W&B's files, which its server has in full",
    "runs": "ended runs that no study refers to",
    "source": "of ended studies: earlier and killed launches",
}
NAMED = 20
"""Whole runs that are named on the screen."""


@dataclass(frozen=True)
class Spare:
    """Files of one kind that one run, or one study, does not need."""

    kind: PruneKind
    run: RunDirectory | None
    """None for what is a study's."""
    paths: tuple[Path, ...]
    bytes: int

    @property
    def of(self) -> str:
        """The run's id, or the study's path."""
        return self.run.id if self.run is not None else str(self.paths[0])


def prune(config: Config) -> None:
    """Print what would go; with ``prune.do=true`` remove the kinds that ``prune.kinds`` names.

    A run that a process works on, or that may go on, is left alone, and so is all that a study
    needs. Without a study, it is about every run of ``paths.runs``.

    Raises:
        ConfigError: it cannot be told which runs a study needs.
    """
    directories = runs_of_this_command(config)
    statuses = {run.id: run.read_status() for run in directories}
    whole = [] if has_sweep() else _runs(config, directories, statuses)
    gone = {spare.of for spare in whole if "runs" in config.prune.kinds}
    found = [*whole, *_files([run for run in directories if run.id not in gone], statuses)]
    found += [] if has_sweep() else _sources(config, directories, statuses)
    asked = [spare for spare in found if spare.kind in config.prune.kinds]
    removed = {spare for spare in asked if config.prune.do and _removed(spare)}
    rows = [{"kind": s.kind, "run": s.of, "bytes": s.bytes, "removed": s in removed} for s in found]
    print_rows(
        rows,
        config.format,
        tables=lambda: _parts(found, removed, config),
        columns=("kind", "run", "bytes", "removed"),
    )


def _files(directories: Sequence[RunDirectory], statuses: Mapping[str, Status]) -> Iterator[Spare]:
    """What each ended run could do without."""
    for run in directories:
        state = statuses[run.id].state
        if state is State.FINISHED:
            try:
                yield from _spare("checkpoints", run, spare_checkpoints(run, read_config(run)))
            except ConfigError as error:  # of another version, or damaged
                print(f"note: {run.id} keeps its checkpoints: {error}", file=sys.stderr)
        if state.is_outcome and (folder := uploaded_files(run.path)):
            yield from _spare("wandb", run, [folder])


def _spare(kind: PruneKind, run: RunDirectory, paths: Sequence[Path]) -> Iterator[Spare]:
    if paths:
        yield Spare(kind, run, tuple(paths), sum(map(bytes_of, paths)))


def _has_ended(status: Status) -> bool:
    """Whether nothing goes on with a run by itself."""
    return status.state.is_outcome or status.state is State.FAILED


def _runs(
    config: Config, directories: Sequence[RunDirectory], statuses: Mapping[str, Status]
) -> list[Spare]:
    """Ended runs that no study refers to, and no run that is kept starts from.

    Raises:
        ConfigError: whole runs are asked for, and it cannot be told which of them a study needs.
    """
    ended = {run.id: run for run in directories if _has_ended(statuses[run.id])}
    try:
        needed = _of_studies(config.paths.studies_folder, set(statuses))
    except ConfigError as error:
        if "runs" in config.prune.kinds:
            raise
        print(f"note: {error}; no whole run is named", file=sys.stderr)
        return []
    needed |= {run.id for run in ended.values() if run.id not in needed and _has_study(run, config)}
    waiting = [*needed, *(statuses.keys() - ended.keys())]
    while waiting:  # what they start from, and that from
        parent = statuses[name].parent if (name := waiting.pop()) in statuses else ""
        if parent and parent not in needed:
            needed.add(parent)
            waiting.append(parent)
    spare = [r for name, r in ended.items() if name not in needed and not r.path.is_symlink()]
    return [found for run in spare for found in _spare("runs", run, [run.path])]


def _of_studies(studies: Path, runs: set[str]) -> set[str]:
    """The runs that the folders of studies name, and those that runs still to come start from.

    Raises:
        ConfigError: a study's file cannot be read, or its runs' data is not here.
    """
    found: set[str] = set()
    for path in sorted(studies.glob(f"*/{STUDY}")):
        try:
            stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            found |= runs.intersection(_words(stored))
            kinds = (stored["points"], stored.get("placebo", {}), stored.get("control", {}))
            for name, differs in (point for kind in kinds for point in kind.items()):
                tree = {**stored["config"], **differs}
                if name not in runs and tree["init"].get("parent"):
                    found |= {stage.directory.id for stage in stages_of(parse_stored(tree))}
        except (ConfigError, DataError, ValueError, KeyError, OSError) as error:
            raise ConfigError(f"{path}: it cannot be told which runs it needs: {error}") from error
    return found


def _words(tree: Any) -> Iterator[str]:
    """Every name and text in plain values: whatever way a study's file names a run."""
    match tree:
        case str():
            yield tree
        case dict():
            for name, value in tree.items():
                yield name
                yield from _words(value)
        case list():
            for value in tree:
                yield from _words(value)


def _has_study(run: RunDirectory, config: Config) -> bool:
    """Whether the study that trained a run is there: tuning runs, for one, are no points of it."""
    study = _study_of(run)
    # Not known, it is kept.
    return study is None or (config.paths.studies_folder / study).is_dir()


def _sources(
    config: Config, directories: Sequence[RunDirectory], statuses: Mapping[str, Status]
) -> Iterator[Spare]:
    """Copies of source that no run of an ended study can start from any more."""
    going_on = {run.id for run in directories if not _has_ended(statuses[run.id])}
    at_work = {_study_of(run) for run in directories if run.id in going_on}
    if None in at_work:  # it may be any study's
        return
    for study in sorted(config.paths.studies_folder.glob(f"*/{snapshot.FOLDER}")):
        if study.parent.name not in at_work and not _names_one(study.parent / STUDY, going_on):
            earlier = [*snapshot.copies_of(study.parent)][:-1]
            for copied in [*earlier, *snapshot.left_behind(study.parent)]:
                yield Spare("source", None, (copied,), bytes_of(copied))


def _names_one(path: Path, runs: set[str]) -> bool:
    """Whether a study's file names one of some runs, which another study may have begun.

    Where it cannot be read it may.
    """
    try:
        return not runs.isdisjoint(_words(json.loads(path.read_text(encoding="utf-8"))))
    except FileNotFoundError:
        return False
    except (ValueError, OSError):
        return True


def _study_of(run: RunDirectory) -> str | None:
    """The study that trains a run; None where it is not known."""
    try:
        return read_config(run).study.name
    except (ConfigError, OSError):
        return None


def _removed(spare: Spare) -> bool:
    """Remove it; false where a process works on its run, or has begun it anew meanwhile."""
    if spare.run is None:
        for path in spare.paths:
            shutil.rmtree(path)
        return True
    try:
        with spare.run.claim(timeout=0):
            if not _has_ended(spare.run.read_status()):
                return False
            if spare.kind == "runs":
                # First what makes it an ended run: half of one must never be taken for that.
                for path in (spare.run.result, spare.run.status):
                    path.unlink(missing_ok=True)
            for path in spare.paths:
                if path.is_dir():
                    _remove_folder(path)
                else:
                    path.unlink(missing_ok=True)
            if spare.kind != "runs":
                status = Status.read(spare.run.status)
                status.disk_bytes = bytes_of(spare.run.path)
                status.write(spare.run.status)
    except Timeout:
        return False
    return True


def _remove_folder(path: Path) -> None:
    try:
        shutil.rmtree(path)
    except OSError as error:
        # A process that waited for this run has begun it anew, with a lock of its own.
        if error.errno != errno.ENOTEMPTY:
            raise


def _parts(found: Sequence[Spare], removed: set[Spare], config: Config) -> Iterator[RenderableType]:
    yield _table(found, removed, config)
    whole = [spare for spare in found if spare.kind == "runs"]
    for spare in whole[:NAMED]:
        yield Text(f"{spare.of}  {megabytes(spare.bytes)}")
    if len(whole) > NAMED:
        yield Text(f"and {plural(len(whole) - NAMED, 'more run')}; format=csv has all")
    yield Text(_last_line(found, removed, config))


def _table(found: Sequence[Spare], removed: set[Spare], config: Config) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("prune.kinds", no_wrap=True)
    table.add_column("number", justify="right")
    table.add_column("MB", justify="right")
    table.add_column("")
    kinds = [kind for kind in ABOUT if kind not in ("runs", "source") or not has_sweep()]
    for kind in kinds:
        of_kind = [s for s in found if s.kind == kind]
        gone = sum(s in removed for s in of_kind)
        left = f"; {len(of_kind) - gone} in use" if gone < len(of_kind) else ""
        is_asked = config.prune.do and kind in config.prune.kinds
        table.add_row(
            kind,
            str(len(of_kind)),
            f"{sum(s.bytes for s in of_kind) / 1e6:.1f}",
            ABOUT[kind] + (f": removed{left}" if is_asked and of_kind else ""),
        )
    return table


def _last_line(found: Sequence[Spare], removed: set[Spare], config: Config) -> str:
    if config.prune.do:
        return f"removed {megabytes(sum(spare.bytes for spare in removed))}"
    kinds = config.prune.kinds
    asked = [spare for spare in found if spare.kind in kinds]
    size = megabytes(sum(spare.bytes for spare in asked))
    line = "nothing was removed"
    if asked:
        line += f"; prune.do=true removes {size}: {' and '.join(kinds)}"
    if "runs" not in kinds and any(spare.kind == "runs" for spare in found):
        line += f"\nwith prune.kinds=[{','.join((*kinds, 'runs'))}] the runs go as well"
    return line
