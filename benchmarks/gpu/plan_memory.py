"""The memory that ``task=plan`` says of a net, from its pilot, and that of the finished run.

python -m gpu.plan_memory FOLDER --device cuda
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from on_device import say

import vgglab
from gpu.study_jobs import results
from vgglab.workflow.micro_batch import CUDA_MIB

ROOT = Path(vgglab.__file__).resolve().parents[2]


def printed(folder: Path, *arguments: str) -> str:
    """The output of a command of ours.

    Raises:
        SystemExit: it failed.
    """
    ended = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit code {ended.returncode}")
    return ended.stdout


def main() -> None:
    """Plan, train, and print what both say."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True)
    net = ["sweeps=lrn", "hydra.sweeper.params.model=d", "hydra.sweeper.params.seed='0'"]
    net += ["claims=none", "recipe.epochs=1", "trainer.compile=none"]
    if options.small:
        net[1] = "hydra.sweeper.params.model=a"
        net += ["model.width=0.0625", "data=digits", "data.classes=6", "trainer.threads=1"]
    else:
        net += ["data.train_images=5120", "data.validation_images=512", "data.test_images=512"]
    common = [
        *net,
        f"trainer={'gpu' if options.device == 'cuda' else 'cpu'}",
        "tracking=off",
        *(f"paths.{name}={folder / name}" for name in ("runs", "studies", "data")),
    ]
    plan: dict[str, Any] = json.loads(printed(folder, "task=plan", "format=json", *common))
    (point,) = plan["waiting"]
    said = point["measurement"] or {}
    said = {name: said.get(name) for name in ("memory_mib", "card_mib")}
    say(from_="plan", net=point["net"], **said, seconds=point["seconds"])
    printed(folder, "-m", *common)
    (result,) = results(folder)
    speed = result["speed"]
    held = speed.get("card_memory_mib")
    took = {"memory_mib": speed["host_memory_mib"], "card_mib": held and held + CUDA_MIB}
    say(from_="finished run", net=point["net"], **took, seconds=speed["train_seconds"])
    shares = {name: said[name] / took[name] for name in took if said[name] and took[name]}
    say(**{f"plan over run, {name}": round(share, 3) for name, share in shares.items()})


if __name__ == "__main__":
    main()
