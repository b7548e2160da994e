"""A W&B-protocol server, a folder to run commands against it, and a small study that it holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from wandb_server import STUDY, Lab, Server, serve


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def lab(tmp_path: Path, server: Server, datasets: Path) -> Lab:
    """An empty folder."""
    return Lab(tmp_path, server, datasets)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory, server: Server, datasets: Path) -> Lab:
    """A small study, online."""
    made = Lab(tmp_path_factory.mktemp("study"), server, datasets)
    made.run("-m", *STUDY)
    return made
