"""Environment variables of W&B that set fields of ours; a field that is set itself wins."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from omegaconf import OmegaConf

from vgglab.config.parse import ConfigError

FIELDS = {
    "WANDB_PROJECT": "tracking.project",
    "WANDB_ENTITY": "tracking.entity",
    "WANDB_DISABLE_CODE": "tracking.code",
    "WANDB_MODE": "tracking",
}
"""Variable -> field, or group, whose default it replaces."""
ELSEWHERE = {
    "WANDB_RUN_ID": "a run's id is its folder's name",
    "WANDB_RESUME": "a run goes on by itself",
    "WANDB_NAME": "a run's name is its arm's with its seed",
    "WANDB_DIR": "W&B's files are kept in the run's folder",
    "WANDB_JOB_TYPE": "the job type is train or report",
}
"""Variable -> why it means nothing here."""
MODES = {"online": "online", "offline": "offline", "dryrun": "offline", "disabled": "off"}
"""What W&B calls a mode -> what we do."""


def register() -> None:
    """Make the resolvers known that conf/config.yaml and the schema's defaults use."""
    OmegaConf.register_new_resolver("wandb_mode", _mode, replace=True)
    OmegaConf.register_new_resolver("wandb_text", _text, replace=True)
    OmegaConf.register_new_resolver("wandb_code", _code, replace=True)


def _mode(usual: str) -> str:
    return MODES.get(os.environ.get("WANDB_MODE", ""), usual)  # Hydra would hide an exception


def _text(variable: str, usual: str | None) -> str | None:
    return os.environ.get(variable) or usual


def _code(usual: bool) -> bool:
    return usual and os.environ.get("WANDB_DISABLE_CODE", "").lower() not in ("true", "1")


def notes(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """What is to be said of the variables that are set: which count, and which do not.

    Args:
        arguments: Of the command line.
        environment: Of this process.

    Raises:
        ConfigError: ``WANDB_MODE`` is none that W&B knows, or ``WANDB_BASE_URL`` no address.
    """
    address = environment.get("WANDB_BASE_URL", "")
    if address and not re.match(r"https?://[^/\s]", address) and "tracking=off" not in arguments:
        raise ConfigError(f"WANDB_BASE_URL = {address}: must begin with http:// or https://")
    mode = environment.get("WANDB_MODE", "")
    if mode and mode not in MODES:
        raise ConfigError(f"WANDB_MODE = {mode}: must be one of {', '.join(MODES)}")
    lines = []
    for variable, field in FIELDS.items():
        if value := environment.get(variable):
            own = next((a for a in reversed(arguments) if a.startswith(_settings_of(field))), None)
            lines.append(f"{own} counts, not {variable}={value}" if own else f"{variable}={value}")
    if "WANDB_SWEEP_ID" in environment:  # an agent's: its run has the id that it sets
        return lines
    return lines + [
        f"{variable} counts for nothing: {why}"
        for variable, why in ELSEWHERE.items()
        if environment.get(variable)
    ]


def _settings_of(field: str) -> tuple[str, ...]:
    mode = ("tracking.mode=",) if field == "tracking" else ()
    return (f"{field}=", *mode)
