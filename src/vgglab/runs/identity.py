"""A run is addressed by its content: what it computes decides where it lives."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from vgglab.config import SCHEMA_VERSION, SEED, Config, division, semantic
from vgglab.config.model import NORM_MARKS


def canonical_json(value: Any) -> str:
    """One spelling for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def content_hash(config: Config, fingerprint: str, parent: str = "") -> str:
    """sha256 over the semantic config, the data's fingerprint and the schema version.

    Args:
        config: of the run, resolved.
        fingerprint: of its data.
        parent: id of the run that its first weights come from, if any.

    Raises:
        ValueError: precision or devices are still to be chosen; the hash would depend on the
            machine.
    """
    return _sha256(_content(config, fingerprint, parent))


def arm_hash(config: Config, fingerprint: str, parent: str = "") -> str:
    """``content_hash`` without the seed: equal for the runs of an arm, and for no others.

    Args:
        config: of a run of the arm, resolved.
        fingerprint: of its data.
        parent: ``arm_hash`` of the run that its first weights come from, if any.

    Raises:
        ValueError: as ``content_hash``.
    """
    content = _content(config, fingerprint, parent)
    del content["config"][SEED]
    return _sha256(content)


def _content(config: Config, fingerprint: str, parent: str) -> dict[str, Any]:
    if config.devices == 0:
        raise ValueError("devices = 0: must be resolved before a run has a name")
    if config.trainer.precision == "auto":
        raise ValueError("trainer.precision = 'auto': must be resolved before a run has a name")
    described = semantic(config)
    # How a parent is described is not what it is: its id says that.
    del described["init"]["parent"]
    content: dict[str, Any] = {
        "config": described,
        "data_fingerprint": fingerprint,
        "schema_version": SCHEMA_VERSION,
    }
    if divided := division(config):
        content["division"] = divided
    if config.recipe.average_weights and config.recipe.select == "best":
        content["tested"] = "mean"  # until 28 November 2026 the weights of the last step were
    if parent:
        content["parent"] = parent
    return content


def _sha256(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def net_name(config: Config) -> str:
    """``a_lrn-bn``: model, norm if any. Arms may share it; ``arm_name`` tells them apart."""
    mark = NORM_MARKS[config.norm.name]
    return f"{config.model.full_name}-{mark}" if mark else config.model.full_name


def readable_name(config: Config) -> str:
    """``a_lrn-bn-s0``: what a run's id begins with, net and seed."""
    return f"{net_name(config)}-s{config.seed}"


def run_id(config: Config, fingerprint: str, parent: str = "") -> str:
    """``a_lrn-bn-s0-0123456789abcdef``: the run's directory and its W&B id.

    Args:
        config: of the run, resolved.
        fingerprint: of its data.
        parent: id of the run that its first weights come from, if any.

    Raises:
        ValueError: precision or devices are still to be chosen.
    """
    return f"{readable_name(config)}-{content_hash(config, fingerprint, parent)[:16]}"
