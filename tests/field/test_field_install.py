"""A checkout is installed as it is; a wheel, which would lack its conf, is refused in a line."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from running import ROOT


def build(folder: Path, kind: str) -> subprocess.CompletedProcess[str]:
    """What pip has setuptools do in a copy of the checkout."""
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.egg-info"))
    code = f"from setuptools import build_meta; build_meta.build_{kind}('out')"
    (folder / "out").mkdir()
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture(autouse=True)
def setuptools() -> None:
    pytest.importorskip("setuptools", minversion="77", reason="pip brings its own")


def test_a_wheel_is_refused(tmp_path: Path) -> None:
    said = build(tmp_path, "wheel")
    assert said.returncode != 0
    assert said.stderr.splitlines()[-1] == (
        "vgglab is run from its checkout, which holds conf, experiments and sweeps: make install, "
        "or pip install --editable ."
    )
    assert not list((tmp_path / "out").iterdir())


def test_a_checkout_is_installed_as_it_is(tmp_path: Path) -> None:
    said = build(tmp_path, "editable")
    assert said.returncode == 0, said.stderr
    assert len(list((tmp_path / "out").glob("vgglab-*.whl"))) == 1


def test_python_is_one_that_hydra_knows() -> None:
    """argparse of 3.14 refuses the help texts of hydra-core 1.3.8, the newest."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == ">=3.11,<3.14"
