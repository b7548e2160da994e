"""``--help`` is of our own: tasks, groups, experiments, sweeps and examples, from what is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT, command_environment, command_line, completed

from vgglab.commands.main import COMMANDS, EXAMPLES


@pytest.fixture
def shown(tmp_path: Path) -> str:
    """What ``--help`` prints."""
    ended = completed(tmp_path, "--help")
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_help_lists_all_there_is_in_eighty_columns(shown: str) -> None:
    assert not [line for line in shown.splitlines() if len(line) > 80]
    words = set(shown.replace(",", " ").replace("*", " ").split())
    groups = [path for path in (ROOT / "conf").iterdir() if path.is_dir()]
    for folder in [*groups, ROOT / "experiments", ROOT / "sweeps"]:
        assert {path.stem for path in folder.glob("*.yaml")} <= words, folder.name
        assert folder.name in shown
    assert set(COMMANDS) <= words
    assert "does error fall with depth" in shown  # what sweeps=depth asks
    assert "time, memory" in shown or "what a study will take" in shown  # what task=plan does


def test_help_has_five_examples_that_the_readme_has_too(shown: str) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(EXAMPLES) == 5
    for example in EXAMPLES:
        assert f"python run.py {example}".strip() in shown
        assert f"`python run.py {example}".strip() in readme


def test_the_choice_that_holds_unless_another_is_named_is_marked(shown: str) -> None:
    assert "digits*" in shown
    assert "he*" in shown


def test_a_users_own_experiment_is_listed(tmp_path: Path) -> None:
    (tmp_path / "mine" / "experiments").mkdir(parents=True)
    text = "# @package _global_\n# Asks:   is mine better?\nseed: 3\n"
    (tmp_path / "mine" / "experiments" / "my_own.yaml").write_text(text)
    for flag in ("--help", "-h"):
        said = completed(tmp_path, "--config-dir", "mine", flag).stdout
        assert "my_own" in said
        assert "is mine better?" in said


def test_help_imports_no_torch(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", *command_line("--help")[1:]],
        cwd=tmp_path,
        env=command_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert " torch\n" not in ended.stderr
    assert " vgglab.commands.main\n" in ended.stderr
