"""Refuses schedules of which a part would do nothing, and tells of one that the run is too short
for, where a run is launched.

Not where a config is parsed: finished runs that were trained with one stay as readable as others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.workflow.pretraining import stages_of, still_to_train

PARENT = "init.parent."


def refuse_useless_schedules(configs: Iterable[Config]) -> None:
    """Let runs be trained only by schedules that do what they say, and so the runs that their first
    weights come from. A run that has an outcome, or a checkpoint to go on from, is not looked at.

    Args:
        configs: resolved, of runs that are to be launched.

    Raises:
        ConfigError: a warm-up would change nothing.
    """
    told: set[str] = set()
    for config in configs:
        stages = stages_of(config)
        for stage in still_to_train(stages):
            if stage.directory.has_checkpoint:
                continue
            recipe, warmup = stage.config.recipe, stage.config.recipe.schedule.warmup_epochs
            generations = len(stages) - 1 - stages.index(stage)
            where = f"{PARENT * generations}recipe.schedule.warmup_epochs = {warmup:g}"
            if warmup and recipe.schedule.name == "plateau":
                raise ConfigError(
                    f"{where}: must be 0 with recipe.schedule.name = plateau, which has no "
                    "warm-up; or take cosine or step"
                )
            if warmup > recipe.epochs:  # who tries a shipped study for an epoch means no harm
                told.add(
                    f"{where}: with recipe.epochs = {recipe.epochs} the learning rate does not "
                    "reach its value"
                )
    for note in sorted(told):
        print(f"note: {note}", file=sys.stderr)
