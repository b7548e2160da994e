"""The folders that a command writes to, tried before it does anything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from vgglab.config import Config
from vgglab.config.experiment import TaskName
from vgglab.config.parse import ConfigError, shown
from vgglab.runs import RunDirectory
from vgglab.runs.writable import why_unwritable

Place = tuple[str, str, Path]
"""The field that names a folder, its value, and the folder that is written to."""


def refuse_unwritable(config: Config) -> None:
    """See that a command can write to the folders that its task writes to.

    Raises:
        ConfigError: nothing can be made in one of them.
    """
    if (written := WRITTEN.get(config.task.name)) is not None:
        _try(written(config))


def refuse_unwritable_points(points: Iterable[Config]) -> None:
    """The same of points that are to be trained."""
    _try(dict.fromkeys(place for point in points for place in _of_a_run(point)))


def refuse_files_of_runs(runs: Iterable[RunDirectory]) -> None:
    """See that nothing else stands where runs have their folders.

    Raises:
        ConfigError: a file does.
    """
    for run in runs:
        if (run.path.is_symlink() or run.path.exists()) and not run.path.is_dir():
            raise ConfigError(f"{run.path}: is no folder, and a run has its own there; move it")


def refuse_unwritable_studies(studies: str, folder: Path) -> None:
    """The same of the folder of a study that is launched, which is in ``paths.studies``."""
    _try([("paths.studies", studies, folder)])


def _try(places: Iterable[Place]) -> None:
    for field, value, folder in places:
        if (why := why_unwritable(folder)) is not None:
            raise ConfigError(f"{field} = {shown(value)}: {why}")


def _of_a_run(config: Config) -> Iterator[Place]:
    yield "paths.runs", config.paths.runs, config.paths.runs_folder
    yield from _data(config)


def _data(config: Config) -> Iterator[Place]:
    # One that is there may hold all that is read, and then need not be written.
    if not config.paths.data_folder.exists():
        yield "paths.data", config.paths.data, config.paths.data_folder


def _study(config: Config) -> Iterator[Place]:
    yield "paths.studies", config.paths.studies, config.study_folder


def _evaluation(config: Config) -> Iterator[Place]:
    if config.fuse or config.weights:  # a run is tested in its own folder
        yield from _study(config)


def _verification(config: Config) -> Iterator[Place]:
    yield "paths.runs", config.paths.runs, config.paths.runs_folder.absolute().parent


def _preparation(config: Config) -> Iterator[Place]:
    if config.prepare.copy:
        yield "prepare.copy", config.prepare.copy, Path(config.prepare.copy).expanduser()
    yield from _data(config)


def _bundle(config: Config) -> Iterator[Place]:
    if config.bundle:
        yield "bundle", config.bundle, Path(config.bundle).expanduser().parent
    else:
        yield from _study(config)


def _ledger(config: Config) -> Iterator[Place]:
    if not (config.baseline or config.candidate):  # of the gate alone
        return
    if config.judge.ledger:
        ledger = Path(config.judge.ledger).expanduser()
        if ledger.is_dir():
            raise ConfigError(
                f"judge.ledger = {shown(config.judge.ledger)}: is a folder; name a file"
            )
        yield "judge.ledger", config.judge.ledger, ledger.parent
    else:
        yield "paths.studies", config.paths.studies, config.paths.studies_folder


WRITTEN: Mapping[TaskName, Callable[[Config], Iterable[Place]]] = {
    "train": _of_a_run,
    "evaluate": _evaluation,
    "verify": _verification,
    "report": _study,
    "dashboard": _study,
    "prepare": _preparation,
    "bundle": _bundle,
    "judge": _ledger,
}
"""Task -> where it writes. Tasks that are not here read, or write only into what they have read."""
