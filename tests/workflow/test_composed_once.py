"""A command's config is composed once, unless something says which mode Hydra is to run in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra._internal.hydra import Hydra
from running import ROOT

from vgglab.workflow.compose import composed_once

OURS = (ROOT, ROOT / "conf")


def is_spared(arguments: list[str], *folders: Path) -> bool:
    asked = Hydra.get_mode
    with composed_once(arguments, folders):
        spared = Hydra.get_mode is not asked
    assert Hydra.get_mode is asked
    return spared


def test_nothing_of_ours_sets_the_mode() -> None:
    assert is_spared(["model=a", "-m", "tracking.mode=offline"], *OURS)


@pytest.mark.parametrize("argument", ["hydra.mode=MULTIRUN", "+hydra.mode=RUN", "hydra={mode: 2}"])
def test_an_argument_may_set_it(argument: str) -> None:
    assert not is_spared(["model=a", argument], *OURS)


@pytest.mark.parametrize(
    "text", ["hydra:\n  mode: MULTIRUN\n", "hydra: {'mode': RunMode.MULTIRUN}", "hydra.mode: 2"]
)
def test_a_users_file_may_set_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mine.yaml").write_text(text)
    assert not is_spared(["experiments=mine"], tmp_path, *OURS)
