"""What tests of commands share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from warm_command import WarmCommand, warm_command


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCommand]:
    """Commands that end before anything is trained, without waiting for imports."""
    with warm_command(tmp_path_factory.mktemp("warm")) as command:
        yield command
