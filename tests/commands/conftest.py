"""Shared by the tests of commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_seeds import TwoSeeds


@pytest.fixture(scope="session")
def two_seeds(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> TwoSeeds:
    """The study, finished."""
    study = TwoSeeds(tmp_path_factory.mktemp("two_seeds"), datasets)
    ended = study.again("-m")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return study
