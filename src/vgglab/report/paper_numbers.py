"""The paper's numbers for the same configurations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml


@dataclass(frozen=True)
class PublishedNet:
    """A row of the paper's Table 3; errors are percentages."""

    weight_layers: int
    top1_error: float
    top5_error: float


@dataclass(frozen=True)
class PublishedProtocols:
    """Errors of the same weights under several protocols, percent."""

    table: str
    rows: Mapping[str, Mapping[str, tuple[float, float]]]
    """Our model -> protocol -> top-1 and top-5 error."""


@dataclass(frozen=True)
class Published:
    """Contents of ``paper_numbers.yaml``."""

    source: str
    conditions: str
    """Under which all of the numbers were measured."""
    table: str
    nets: Mapping[str, PublishedNet]
    """By the name of our config."""
    filters_finding: str
    protocols: PublishedProtocols


@cache
def published() -> Published:
    """Read the file that is in the package."""
    content = yaml.safe_load(Path(__file__).with_name("paper_numbers.yaml").read_text("utf-8"))
    single = content["single_scale"]
    return Published(
        source=content["source"],
        conditions=content["conditions"],
        table=single["table"],
        nets={name: PublishedNet(**row) for name, row in single["rows"].items()},
        filters_finding=content["filters"]["finding"],
        protocols=PublishedProtocols(**content["protocols"]),
    )
