"""A run is addressed by its content: what it computes decides where it lives."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from vgglab.config import SCHEMA_VERSION, Config, division, semantic
from vgglab.config.model import NormName


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
    if config.devices == 0:
        raise ValueError("devices = 0: must be resolved before a run has a name")
    if config.trainer.precision == "auto":
        raise ValueError("trainer.precision = 'auto': must be resolved before a run has a name")
    described = semantic(config)
    # How a parent is described is not what it is: its id says that.
    del described["init"]["parent"]
    content = {
        "config": described,
        "data_fingerprint": fingerprint,
        "schema_version": SCHEMA_VERSION,
    }
    if divided := division(config):
        content["division"] = divided
    if parent:
        content["parent"] = parent
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


_MARKS: dict[NormName, str] = {"none": "", "batch": "-bn", "group": "-gn", "layer": "-ln"}


def arm_name(config: Config) -> str:
    """``a_lrn-bn``: model, norm if any; what seeds repeat."""
    return config.model.full_name + _MARKS[config.norm.name]


def readable_name(config: Config) -> str:
    """``a_lrn-bn-s0``: the arm and the seed."""
    return f"{arm_name(config)}-s{config.seed}"


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
