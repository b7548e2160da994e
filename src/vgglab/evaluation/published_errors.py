"""The errors that published weights are said to reach."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml


@cache
def published_errors() -> dict[str, tuple[float, float]]:
    """torchvision's name -> top-1 and top-5 error of its test (256 px, centre crop of 224), %."""
    content = yaml.safe_load(Path(__file__).with_name("published_errors.yaml").read_text("utf-8"))
    return {
        name: (round(100 - top1, 4), round(100 - top5, 4))
        for name, (top1, top5) in content["torchvision"].items()
    }
