"""A study whose source is edited while it runs: its points are of the source at its launch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import edited_checkout
import pytest
from edited_checkout import AS_LAUNCHED
from running import SMALL, command_environment

FIXED = [text for text in SMALL if not text.startswith("recipe.")]


def command(root: Path, folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """``python run.py ...`` of a checkout, with the experiment of its user."""
    mine = ["--config-dir", "../checkout/mine", "experiments=short"]
    return subprocess.run(
        [sys.executable, str(root / "run.py"), *mine, *FIXED, *overrides],
        cwd=folder,
        env=command_environment()
        | {"EDIT": str(root / "edit.py"), "PYTHONPATH": str(root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_an_edit_changes_no_point_of_a_study_that_runs(tmp_path: Path, datasets: Path) -> None:
    root, folder = edited_checkout.make(tmp_path / "checkout"), tmp_path / "here"
    folder.mkdir()
    study = ("-m", "study.name=edited", "launcher.jobs=1", f"paths.data={datasets}")
    ended = command(root, folder, *study, "seed=0,1")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "as edited" in (root / "src/vgglab/training/experiment.py").read_text()
    found = [json.loads(path.read_text()) for path in folder.glob("runs/*/status.json")]
    assert [status["reason"] for status in found] == [AS_LAUNCHED] * 2
    (copied,) = (folder / "studies" / "edited" / "source").iterdir()
    assert f"studies/edited/source/{copied.name}" in ended.stdout
    assert len({status["source"] for status in found}) == 1
    # The folder that the user named, not that of the copy.
    named = folder / "../checkout/mine"
    assert {f"--config-dir {named} " in status["command"] for status in found} == {True}

    # Launched again, the study would go on with the source as it is now, and the guard says so.
    module = "src/vgglab/training/module.py"
    (root / module).write_bytes((copied / module).read_bytes())
    as_before = ("recipe.epochs=5", "recipe.weight_decay=0.25")
    again = command(root, folder, *study, "seed=0,1,2", *as_before)
    assert again.returncode == 2, again.stdout + again.stderr
    assert f"code.version: source {found[0]['source']}" in again.stderr
    assert list(copied.parent.iterdir()) == [copied]
