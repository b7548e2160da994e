"""Synthetic run folders: A, A-LRN, B, C, D, E, B-5x5 with three seeds."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import yaml

from vgglab.config import Config, plain
from vgglab.config.claims import parse_claims
from vgglab.config.parse import parse
from vgglab.runs import Result, RunDirectory, RunRecord, load_run, write_result
from vgglab.study import MissingPoint, StudyView

# model: weight layers, top-1 error at seed 0, ms a step
NETS: dict[str, tuple[int, float, float]] = {
    "a": (11, 7.1, 21.0),
    "a_lrn": (11, 7.2, 27.5),
    "b": (13, 5.4, 31.0),
    "b_5x5": (8, 6.6, 33.0),
    "c": (16, 5.6, 36.0),
    "d": (16, 5.0, 42.0),
    "e": (19, 5.2, 53.0),
}
SEED_NOISE = {0: 0.0, 1: 0.35, 2: -0.2}
EPOCHS = 8
CLAIMS = Path(__file__).resolve().parent.parent / "conf" / "claims" / "vgg2014.yaml"


def config_of(model: str, seed: int, norm: str = "batch", **groups: Any) -> Config:
    """A resolved config; ``groups`` are added to those of the study, field by field."""
    schedule = {"name": "cosine", "warmup_epochs": 1.0}
    tree: dict[str, Any] = {
        "task": {"name": "train"},
        "seed": seed,
        "model": {"name": model, "width": 0.25, "dropout": 0.5, "lrn": {"size": 5}},
        "norm": {"name": norm},
        "init": {"name": "he"},
        "data": {
            "name": "cluttered_digits",
            "image_size": 40,
            "train_images": 24000,
            "validation_images": 2000,
            "test_images": 4000,
        },
        "recipe": {
            "epochs": EPOCHS,
            "batch_size": 64,
            "learning_rate": 0.05,
            "momentum": 0.9,
            "weight_decay": 5e-4,
            "schedule": schedule,
            "select": "best",
        },
        "protocol": {"name": "center", "top_k": [1, 5]},
        "trainer": {"accelerator": "cpu", "precision": "bf16", "threads": 1},
        "study": {"name": "depth", "asks": "", "paper": ""},
    }
    return parse(tree | {name: tree[name] | fields for name, fields in groups.items()})


def result_of(model: str, seed: int, norm: str = "batch") -> Result:
    """What result.json of a finished run holds."""
    layers, error, step = NETS[model]
    # A part of the noise is the seed's, a part is the run's own.
    own = random.Random(f"{model} {norm} {seed}").gauss(0.0, 0.25)
    top1 = error + SEED_NOISE[seed] + own + (0.6 if norm == "none" else 0.0)
    return {
        "errors": {
            "center": {
                "top1_error": round(top1, 3),
                "top5_error": round(top1 / 9, 3),
                "loss": round(top1 / 25, 4),
                "images": 4000,
            }
        },
        "validation": {
            "best_top1_error": round(top1 - 0.1, 3),
            "best_epoch": EPOCHS - 1,
            "last_top1_error": round(top1, 3),
        },
        "cost": {
            "weight_layers": layers,
            "parameters": 100_000 * layers,
            "macs": 3_000_000 * layers,
            "activations_all": 20_000 * layers,
        },
        "speed": {
            "images_per_second": round(64_000 / step, 1),
            "step_ms": step + 0.4 * seed,
            "data_ms": 0.3,
            "forward_ms": round(0.3 * step, 2),
            "backward_ms": round(0.6 * step, 2),
            "optimiser_ms": round(0.05 * step, 2),
            "logging_ms": 0.1,
            "mfu": round(20 + 900 / step, 1),
            "train_seconds": round(step * EPOCHS * 0.375, 1),
            "peak_memory_mib": 500.0 + 4 * step,
        },
        "hardware": {
            "accelerator": "cpu",
            "precision": "bf16",
            "memory_format": "channels_last",
            "threads": 1,
            "host": "bench",
        },
        "trainability": {"state": "finished", "reason": ""},
    }


def _records(final: float, epochs: int) -> list[dict[str, Any]]:
    """Of metrics.jsonl: the loss now and then, errors once an epoch."""
    records: list[dict[str, Any]] = []
    for epoch in range(1, epochs + 1):
        left = 0.45 ** (epoch - 1)
        step = 375 * epoch
        records.append({"step": step - 175, "epoch": epoch - 0.5, "train/loss": left})
        records.append(
            {
                "step": step,
                "epoch": float(epoch),
                "images_seen": 64 * step,
                "train/top1_error": 1.3 * final + 75 * left,
                "validation/top1_error": final + 60 * left,
                "validation/top5_error": final / 9 + 20 * left,
                "validation/loss": left,
                "learning_rate": 0.05,
            }
        )
    return records


def write_run(folder: Path, config: Config, state: str = "finished") -> None:
    """The files of a run that reached a state."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(plain(config)), encoding="utf-8")
    reason = {"diverged": "loss is not finite at step 900"}.get(state, "")
    status = {"state": state, "reason": reason, "epoch": EPOCHS, "epochs": EPOCHS}
    (folder / "status.json").write_text(json.dumps(status), encoding="utf-8")
    result = result_of(config.model.name, config.seed, config.norm.name)
    final = result["errors"]["center"]["top1_error"]
    if state == "diverged":
        result["errors"], result["validation"] = {}, {}
        result["speed"] = {"step_ms": None}
        result["trainability"] = {"state": "diverged", "reason": reason}
    write_result(RunDirectory(folder), result)
    records = _records(final, 2 if state == "diverged" else EPOCHS)
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "metrics.jsonl").write_text(lines, encoding="utf-8")


def make_study(
    root: Path,
    models: tuple[str, ...] = tuple(NETS),
    norms: tuple[str, ...] = ("batch",),
    seeds: tuple[int, ...] = (0, 1, 2),
    **text: str,
) -> StudyView:
    """Run folders under ``root/runs`` and the study; e's seed 2 diverged, d's has none."""
    runs: list[RunRecord] = []
    missing: list[MissingPoint] = []
    for model in models:
        for norm in norms:
            for seed in seeds:
                config = config_of(model, seed, norm)
                bn = "-bn" if norm == "batch" else ""
                run_id = f"{model}{bn}-s{seed}-0123456789abcdef"
                if (model, seed) == ("d", 2):
                    missing.append(MissingPoint(run_id, config))
                    continue
                state = "diverged" if (model, seed) == ("e", 2) else "finished"
                write_run(root / "runs" / run_id, config, state)
                runs.append(load_run(root / "runs" / run_id))
    about = {
        "name": "depth",
        "asks": "Does the error fall as weight layers are added?",
        "paper": "It falls from 11 to 19 weight layers and saturates there.",
    } | text
    claims = parse_claims(yaml.safe_load(CLAIMS.read_text(encoding="utf-8")))
    return StudyView(
        name=about["name"],
        asks=about["asks"],
        paper=about["paper"],
        runs=runs,
        missing=missing,
        claims=claims,
    )
