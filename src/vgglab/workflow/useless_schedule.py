"""Refuses schedules of which a part would do nothing, where a run is launched.

Not where a config is parsed: finished runs that were trained with one stay as readable as others.
"""

from __future__ import annotations

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
        ConfigError: a warm-up would change nothing, or be longer than the training.
    """
    for config in configs:
        stages = stages_of(config)
        for stage in still_to_train(stages):
            if stage.directory.has_checkpoint:
                continue
            generations = len(stages) - 1 - stages.index(stage)
            if why := _why_useless(stage.config):
                raise ConfigError(f"{PARENT * generations}recipe.schedule.warmup_epochs = {why}")


def _why_useless(config: Config) -> str:
    """The value of the warm-up and why it is of no use; empty where it is."""
    recipe = config.recipe
    warmup = recipe.schedule.warmup_epochs
    if not warmup:
        return ""
    if recipe.schedule.name == "plateau":
        return (
            f"{warmup:g}: must be 0 with recipe.schedule.name = plateau, which has no warm-up; or "
            "take cosine or step"
        )
    if warmup > recipe.epochs:
        return (
            f"{warmup:g}: with recipe.epochs = {recipe.epochs} the learning rate would never reach "
            "its value; must be no longer than the training, or 0 for none"
        )
    return ""
