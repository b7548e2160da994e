"""``table=``: the arms of a file, or of a W&B project."""

from __future__ import annotations

from pathlib import Path

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.study.foreign.arm import ForeignArm
from vgglab.study.foreign.files import read_table
from vgglab.study.foreign.of_runs import Row, arms_of_runs

PROJECT = "wandb:"


def arms_of_table(config: Config) -> tuple[list[ForeignArm], str]:
    """The arms of the table that is named, and a sentence on runs that are left out, if any are.

    Raises:
        ConfigError: there is no such table, or it says nothing of any run.
    """
    if config.table.startswith(PROJECT):
        return _of_project(config, config.table.removeprefix(PROJECT).strip("/"))
    return read_table(Path(config.table).expanduser()), ""


def _of_project(config: Config, path: str) -> tuple[list[ForeignArm], str]:
    # W&B takes a second to load, which a file need not wait for.
    from vgglab.tracking.project import Keys, runs_of_project

    wanted = config.judge
    if not path or path.count("/") > 1:
        raise ConfigError(f"table = {config.table}: must be wandb:ENTITY/PROJECT")
    keys = Keys(arm=wanted.arm_key, seed=wanted.seed_key, error=wanted.error_key)
    found = runs_of_project(path, keys, wanted.group)
    reasons = ", ".join(f"{count} {why}" for why, count in found.left_out.items())
    if not any(cells["error"] for _, cells in found.rows):
        raise ConfigError(
            f"table = {config.table}: has no finished run with {keys.arm}, "
            + (f"{keys.seed} and " if keys.seed else "and ")
            + f"{keys.error} ({reasons or 'no runs'}); judge.arm_key, judge.seed_key and "
            "judge.error_key name other keys"
        )
    rows = [Row(f"run {run}", cells) for run, cells in found.rows]
    arms = arms_of_runs(rows, rows[0].cells, f"{PROJECT}{path}")
    return arms, f"Left out of {PROJECT}{path}: {reasons}." if reasons else ""
