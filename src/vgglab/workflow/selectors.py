"""Fields that name what a task works on, and the tasks that read them."""

from __future__ import annotations

from typing import Any

from vgglab.config.experiment import TaskName
from vgglab.config.parse import ConfigError

READ_BY: dict[str, tuple[TaskName, ...]] = {
    "run": ("evaluate", "diff", "verify"),
    "studies": ("diff",),
    "fuse": ("evaluate",),
    "weights": ("evaluate",),
    "table": ("judge",),
    "bundle": ("bundle", "judge"),
    "baseline": ("judge",),
    "candidate": ("judge",),
}
"""Field -> tasks that read it; to any other it would name one thing while the task works on all."""


def refuse_unread(config: Any) -> None:
    """See that the task of a command's config reads each field that says what to work on.

    Args:
        config: checked, or as Hydra composed it.

    Raises:
        ConfigError: it would leave one out of account, and work on more than was named.
    """
    for field, tasks in READ_BY.items():
        if getattr(config, field) and config.task.name not in tasks:
            own, readers = config.task.name, ", ".join(f"task={task}" for task in tasks)
            why = f"task={own} does not read it; leave it out, or take {readers}"
            raise ConfigError(f"{field}: {why}")
