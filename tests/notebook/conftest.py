"""A made-up study with its report, and a tiny one that is really trained; both made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_runs import make_study
from running import SMALL, completed

from vgglab.report import write_report
from vgglab.study.stored import write_study


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``runs/`` and ``studies/depth/`` of seven nets with three seeds; not to be changed."""
    root = tmp_path_factory.mktemp("made_up")
    view, folder = make_study(root), root / "studies" / "depth"
    write_study(view, folder)
    write_report(view, folder)
    return root


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Path:
    """``runs/`` and ``studies/depth/`` of two nets with two seeds; not to be changed."""
    root = tmp_path_factory.mktemp("trained")
    study = ("-m", "study.name=depth", "claims=few", "model=a,b", "seed=0,1")
    ended = completed(root, *SMALL, *study, "recipe.epochs=1", f"paths.data={datasets}")
    assert ended.returncode == 0, ended.stderr
    return root
