"""A typo that is told before Hydra is loaded is told in the words that follow Hydra's complaint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT, command_environment, command_line

from vgglab.checkout import USER_FOLDER
from vgglab.config.typo import mistyped

SOON = [
    ["modle=a"],
    ["gpus=2"],
    ["lr=0.1"],
    ["model=d", "modle=a", "seed=3"],
    ["task=plan", "sweeps=quickstart", "recipe.epochs=3", "lookz=3", "modle=a"],
    ["format=csv", "defaults=x"],
    ["tracking=off", "experiments=laptop", "zzz=null"],
]
"""Arguments with a field that does not exist, and nothing that would be said before it."""
LATE = [
    ["model=a"],
    [],
    ["-m", "modle=a"],
    ["--help", "modle=a"],
    ["modle=a,b"],
    ["+modle=a"],
    ["model=zz", "modle=a"],
    ["model=a", "model=b", "modle=a"],
    ["data.root=x", "modle=a"],
    ["recipe.epocs=3", "modle=a"],
    ["docs=x"],
    ["hydra=x"],
    ["schema=x"],
    ["study.looks=[]", "modle=a"],
    ["some.zip", "modle=a"],
]
"""Arguments about which something else is said first, or nothing."""


def said_by_hydra(arguments: list[str], folder: Path) -> str:
    """What is said where a variable of W&B's that changes nothing has Hydra look first."""
    ended = subprocess.run(
        command_line(*arguments),
        check=False,
        cwd=folder,
        env=command_environment() | {"WANDB_X_NOTHING": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    return ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", SOON, ids=" ".join)
def test_it_is_what_is_said_after_hydra(arguments: list[str], tmp_path: Path) -> None:
    message = mistyped(arguments, ROOT, {})
    assert f"error: {message}\n" == said_by_hydra(arguments, tmp_path)


@pytest.mark.parametrize("arguments", LATE, ids=" ".join)
def test_all_else_is_left_to_hydra(arguments: list[str]) -> None:
    assert mistyped(arguments, ROOT, {}) == ""


def test_where_more_may_be_known_or_said_it_is_left_to_hydra() -> None:
    for variable in ("WANDB_PROJECT", USER_FOLDER):
        assert mistyped(["modle=a"], ROOT, {variable: "x"}) == ""


def test_a_typo_loads_no_hydra(tmp_path: Path) -> None:
    environment = {k: v for k, v in command_environment().items() if not k.startswith("WANDB_")}
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", *command_line("modle=a")[1:]],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert "error: modle: no such field; did you mean model?" in ended.stderr
    assert " pydantic\n" in ended.stderr
    assert " hydra\n" not in ended.stderr
    assert " numpy\n" not in ended.stderr
