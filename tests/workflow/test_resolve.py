"""What ``auto`` and a precision mean on this machine."""

from __future__ import annotations

import pytest

from vgglab.config import Config
from vgglab.config.parse import ConfigError, parse
from vgglab.runs import run_id
from vgglab.workflow.resolve import resolve


def on(accelerator: str, precision: str) -> Config:
    return parse({"trainer": {"accelerator": accelerator, "precision": precision, "threads": 1}})


def test_only_gpus_compute_in_tf32() -> None:
    with pytest.raises(ConfigError, match=r"^trainer\.precision = tf32: only on a GPU; .* bf16$"):
        resolve(on("cpu", "tf32"))


def test_fp32_is_one_run_wherever_it_is_computed_and_tf32_another() -> None:
    fp32, also_fp32, tf32 = (
        run_id(on(*where), "data") for where in (("cpu", "fp32"), ("gpu", "fp32"), ("gpu", "tf32"))
    )
    assert fp32 == also_fp32 != tf32
