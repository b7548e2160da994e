"""The study that a command names, found by its folder alone."""

from __future__ import annotations

from pathlib import Path

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.evidence import Recomputed, recompute
from vgglab.evidence.members import CLAIMS
from vgglab.study.stored import STUDY


def recomputed_study(config: Config) -> Recomputed:
    """The study that is named, judged anew in its folder.

    Raises:
        ConfigError: none is named, it has no report, or none of its runs is there.
    """
    folder = config.study_folder
    for name in (STUDY, CLAIMS):
        if not (folder / name).is_file():
            raise ConfigError(
                f"task={config.task.name} needs a study with a report: sweeps=NAME, or "
                f"study.name=NAME of one that was launched; {folder} has no {name}, which "
                "task=report writes"
            )
    return with_runs(folder)


def with_runs(folder: Path, runs: Path | None = None) -> Recomputed:
    """The study of a folder, judged anew; ``runs``: folder of its runs, if it is known.

    Raises:
        ConfigError: none of its runs is there.
    """
    found = recompute(folder, runs)
    if not found.view.runs:
        raise ConfigError(
            f"{folder}: none of its {len(found.view.points)} runs is where {STUDY} says"
        )
    return found
