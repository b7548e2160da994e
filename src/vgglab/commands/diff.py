"""``task=diff``: what differs between two runs, or two studies, and is it more than noise?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vgglab import checkout
from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.launch.snapshot import copies_of
from vgglab.report import run_diff, study_diff
from vgglab.runs import RunDirectory, RunRecord, load_run
from vgglab.study import StudyView
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.differences.two_runs import compare_runs
from vgglab.study.differences.two_studies import compare_studies
from vgglab.study.stored import STUDY, read_study
from vgglab.workflow.evaluation import named_runs, names
from vgglab.workflow.output import print_rows
from vgglab.workflow.same_data import data_in

TWO = 2


def diff(config: Config) -> None:
    """Compare the two runs, or the two studies, that the command names.

    Raises:
        ConfigError: it names neither, both, not two of them, one twice, or one that is not there.
    """
    runs, studies = names(config.run), names(config.studies)
    if bool(runs) == bool(studies):
        got = "both" if runs else "neither"
        raise ConfigError(f"task=diff takes run=[A,B] or sweeps=[A,B]; got {got}")
    for field, given in (("run", runs), ("sweeps", studies)):
        if given and len(given) != TWO:
            raise ConfigError(
                f"{field}={_listed(given)}: task=diff compares two: {field}=[A,B]; got {len(given)}"
            )
    if runs:
        _diff_runs(config)
    else:
        _diff_studies(config, studies)


def _listed(given: tuple[str, ...]) -> str:
    return f"[{','.join(given)}]"


def _diff_runs(config: Config) -> None:
    first, second = (
        _run(d, given) for d, given in zip(named_runs(config), names(config.run), strict=True)
    )
    if first.directory.path.resolve() == second.directory.path.resolve():
        raise ConfigError(f"run={_listed(names(config.run))}: is one run; name two")
    data_of = data_in(config.paths.data_folder)
    found = compare_runs((first, second), (data_of(first), data_of(second)), MistakesReader())
    if config.format == "table":
        print("\n".join(run_diff.lines(found)))
    else:
        print_rows(run_diff.rows(found), config.format, document=run_diff.document(found))


def _run(directory: RunDirectory, name: str) -> RunRecord:
    if not directory.config.exists():
        raise ConfigError(
            f"run={name}: not in {directory.path.parent}; task=runs lists those that are"
        )
    try:
        return load_run(directory.path)
    except ConfigError as error:
        raise ConfigError(f"run={name}: {error}") from error


def _diff_studies(config: Config, studies: tuple[str, ...]) -> None:
    folders = [_study_folder(name, config) for name in studies]
    if folders[0].resolve() == folders[1].resolve():
        raise ConfigError(f"sweeps={_listed(studies)}: is one study; name two")
    then, now = (_study(folder, name) for folder, name in zip(folders, studies, strict=True))
    found = compare_studies(then, now, data_in(config.paths.data_folder))
    where = (str(folders[0]), str(folders[1]))
    if config.format == "table":
        print("\n".join(study_diff.lines(found, where)))
        if copies := _copies(folders):
            print(f"\nThe source that each ran from: diff -r {copies[0]} {copies[1]}")
    else:
        document = study_diff.document(found, where)
        print_rows(study_diff.rows(found), config.format, document=document)


def _copies(studies: Sequence[Path]) -> list[Path]:
    """The copies of source from which each of two studies ran, where each has one, and another."""
    then, now = map(copies_of, studies)
    alone = len(then) == len(now) == 1
    return [*then, *now] if alone and {*then.values()} != {*now.values()} else []


def _study_folder(name: str, config: Config) -> Path:
    """The folder of a study by its name in ``paths.studies``, or by its path."""
    folder = config.paths.named_study_folder(name)
    if (folder / STUDY).is_file():
        return folder
    if (folder / "claims.json").exists():
        raise ConfigError(
            f"sweeps={name}: {folder} has no {STUDY}, its report is of before 27 November 2026; "
            "task=report writes it"
        )
    user = os.environ.get(checkout.USER_FOLDER)
    homes = [checkout.root(), *([Path(user)] if user else [])]
    if "/" not in name and any((home / "sweeps" / f"{name}.yaml").is_file() for home in homes):
        raise ConfigError(
            f"sweeps={name}: was not launched, {folder} is not there: "
            f"python run.py -m sweeps={name} trains it"
        )
    there = sorted(path.parent.name for path in folder.parent.glob(f"*/{STUDY}"))
    raise ConfigError(
        f"sweeps={name}: no study in {folder}; in {folder.parent} there are: "
        f"{', '.join(there) or 'none'}"
    )


def _study(folder: Path, name: str) -> StudyView:
    try:
        view = read_study(folder)
    except ConfigError as error:
        raise ConfigError(f"sweeps={name}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{folder / STUDY}: damaged ({error!r}); task=report writes it"
        ) from error
    if not view.runs:
        raise ConfigError(
            f"sweeps={name}: none of its {len(view.missing)} runs has begun, or they no longer lie "
            f"where {folder / STUDY} says"
        )
    return view
