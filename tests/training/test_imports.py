"""What a run's process loads before its first step."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vgglab.training.imports import UNUSED

CODE = """
import sys
from vgglab.training.imports import import_lightning
import_lightning()
import vgglab.training.experiment
from lightning_utilities.core.imports import RequirementCache, package_available
assert RequirementCache("scipy") and package_available("scipy"), "hidden from others too"
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.mark.slow
def test_nothing_is_loaded_that_training_does_not_use() -> None:
    ended = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    loaded = set(ended.stdout.split())
    assert {"torch", "pytorch_lightning", "torchmetrics"} <= loaded
    assert not loaded & (UNUSED | {"pandas", "wandb", "wandb_workspaces", "sklearn", "jinja2"})


@pytest.mark.slow
def test_a_package_that_is_loaded_already_stays_whole() -> None:
    """A study's statistics load scipy before a command comes to Lightning."""
    code = (
        "import scipy.stats\n"
        "from vgglab.training.imports import import_lightning\n"
        "import_lightning()\n"
        "import scipy.signal, torchmetrics\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
