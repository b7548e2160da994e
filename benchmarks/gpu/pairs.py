"""Two runs of one config, each in a process of its own: are their weights equal to the bit?

    python -m gpu.pairs FOLDER --device cuda

All runs are trained at the same time, which decides no bit. Compiled steps come last: each run
compiles its own, A-LRN's, which takes longest; the others are of A.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from on_device import say, trainer_of

EAGER = {"compile": "none"}
COMPILED = {"compile": "inductor"}
CASES: dict[str, dict[str, Any]] = {
    "compile=none": EAGER,
    "compile=none, cudnn_benchmark=false": EAGER | {"cudnn_benchmark": False},
    "compile=none, deterministic=true": EAGER | {"deterministic": True},
    "compile=inductor": COMPILED,
    "compile=inductor, deterministic=true": COMPILED | {"deterministic": True},
}
SMALL = ("compile=none", "compile=none, deterministic=true")


def train(folder: Path, device: str, trainer: dict[str, Any], *, small: bool) -> dict[str, Any]:
    """Train one run and return the digest of its weights.

    Args:
        folder: of the run; its data lie beside it.
        device: ``cpu`` or ``cuda``.
        trainer: fields of the config's trainer.
        small: a narrower net.
    """
    from vgglab.training.imports import import_lightning

    import_lightning()
    import torch

    from vgglab.config.parse import parse
    from vgglab.runs import RunDirectory, Status
    from vgglab.training.experiment import run_experiment
    from vgglab.workflow.resolve import resolve

    net = "a" if trainer["compile"] == "none" else "a_lrn"
    tree = {
        "model": {"name": net, "width": 1 / 16 if small else 0.125},
        "norm": {"name": "batch"},
        "data": {"name": "digits", "classes": 6, "test_fraction": 0.1},
        "recipe": {"epochs": 1, "batch_size": 128, "learning_rate": 0.02},
        "trainer": trainer_of(device) | {"threads": 1} | trainer,
        "tracking": {"mode": "off"},
        "paths": {"runs": str(folder), "data": str(folder.parent / "data")},
    }
    config = resolve(parse(tree))
    directory = RunDirectory(folder / "run")
    directory.path.mkdir(parents=True)
    result = run_experiment(config, directory, Status(), [])
    state = torch.load(directory.last_checkpoint, map_location="cpu", weights_only=True)
    digest = hashlib.sha256()
    for name, value in sorted(state["state_dict"].items()):
        if isinstance(value, torch.Tensor) and value.numel():
            digest.update(name.encode())
            digest.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return {
        "digest": digest.hexdigest()[:12],
        "error": result["errors"]["center"]["top1_error"],
        "step_ms": result["speed"]["step_ms"],
        "peak_mib": result["speed"]["peak_memory_mib"],
    }


def row_of(name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """What two runs of a case say."""
    one, other = found
    return {
        "trainer": name,
        "equal": "yes" if one["digest"] == other["digest"] else "no",
        "digests": [one["digest"], other["digest"]],
        "errors": [one["error"], other["error"]],
        "step_ms": round(min(one["step_ms"], other["step_ms"]), 2),
        "peak_mib": round(one["peak_mib"]),
    }


def main() -> None:
    """Start all runs, and print a row for each pair."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--case", choices=list(CASES))
    options = parser.parse_args()
    if options.case:
        trainer = CASES[options.case]
        print(json.dumps(train(options.folder, options.device, trainer, small=options.small)))
        return
    form = ["--device", options.device, *(["--small"] if options.small else [])]
    running = {
        (name, turn): subprocess.Popen(
            [
                *(sys.executable, "-m", "gpu.pairs", str(options.folder / f"{number}-{turn}")),
                *(*form, "--case", name),
            ],
            # cuBLAS adds in a fixed order with this; deterministic=true may ask for it.
            env=os.environ | {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, name in enumerate(SMALL if options.small else CASES)
        for turn in (0, 1)
    }
    failed = False
    for name in dict.fromkeys(name for name, _ in running):
        found = []
        for turn in (0, 1):
            output, _ = running[name, turn].communicate()
            if running[name, turn].returncode:
                failed = True
            else:
                found.append(json.loads(output.splitlines()[-1]))
        if len(found) == 2:
            say(**row_of(name, found))
        else:
            say(trainer=name, error="a run failed: logs.txt has it")
    sys.exit(failed)


if __name__ == "__main__":
    main()
