"""A checkout of one's own, whose runs end before they train and say which source they are of."""

from __future__ import annotations

import shutil
from pathlib import Path

from running import ROOT

OUTCOME = '''

def run_experiment(config, *others):
    """Edit the checkout, as a user may while a study runs; then end."""
    import os
    from pathlib import Path
    from vgglab.training.outcomes import Diverged

    if "EDIT" in os.environ:
        exec(Path(os.environ["EDIT"]).read_text())
    recipe = config.recipe
    raise Diverged(f"as launched, {recipe.epochs} epochs, decay {recipe.weight_decay}")
'''

EDIT = """
for name, before, after in (
    ("src/vgglab/training/experiment.py", 'f"as launched,', 'f"as edited,'),
    ("conf/recipe/quick.yaml", "epochs: 5", "epochs: 9"),
    ("mine/experiments/short.yaml", "weight_decay: 0.25", "weight_decay: 0.5"),
):
    path = Path({root!r}) / name
    path.write_text(path.read_text().replace(before, after))
Path({root!r}, "src/vgglab/training/module.py").write_text("no Python at all, half written")
"""
"""What a point does to the checkout while its study runs."""


def make(folder: Path) -> Path:
    """A copy of this checkout, with an experiment of a user's in ``mine``, and ``edit.py``."""
    left_out = shutil.ignore_patterns("*.egg-info")
    for name in ("src", "conf", "experiments", "sweeps"):
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    shutil.copy(ROOT / "run.py", folder)
    experiment = folder / "src" / "vgglab" / "training" / "experiment.py"
    experiment.write_text(experiment.read_text(encoding="utf-8") + OUTCOME, encoding="utf-8")
    mine = folder / "mine" / "experiments"
    mine.mkdir(parents=True)
    (mine / "short.yaml").write_text("# @package _global_\nrecipe:\n  weight_decay: 0.25\n")
    (folder / "edit.py").write_text(EDIT.format(root=str(folder)), encoding="utf-8")
    return folder


AS_LAUNCHED = "as launched, 5 epochs, decay 0.25"
"""The reason of a run whose source, config and experiment are those of the launch."""
