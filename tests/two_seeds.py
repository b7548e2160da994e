"""A finished study that several files ask about; no test trains in its folder."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from running import SMALL, completed, grid

NETS = grid(model="a", seed="0,1")


@dataclass(frozen=True)
class TwoSeeds:
    """Two seeds of one net, trained as ``-m sweeps=lrn``."""

    folder: Path
    datasets: Path

    def again(self, *overrides: str) -> subprocess.CompletedProcess[str]:
        """The study's command in its folder once more, with other overrides after its own."""
        study = (*SMALL, "sweeps=lrn", "recipe.epochs=1", "launcher.jobs=2")
        chosen = {item.partition("=")[0]: item for item in (*NETS, *overrides)}
        return completed(self.folder, f"paths.data={self.datasets}", *study, *chosen.values())
