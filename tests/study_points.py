"""Points of a study made in memory: a config and what the run left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vgglab.config import Config
from vgglab.config.claims import Claims
from vgglab.config.parse import parse
from vgglab.runs import Result, RunDirectory, RunRecord, State, Status
from vgglab.runs.records import ProtocolErrors
from vgglab.study import MissingPoint, StudyView

NOISE = (0.03, -0.05, 0.06, -0.02, 0.01)
"""What seeds 0 to 4 add to an error, percentage points; each net has them in another order."""


def config(model: str, seed: int, norm: str = "batch", **fields: Any) -> Config:
    """A resolved config; ``fields`` are of the recipe, but for ``width``, ``init`` and groups;
    ``net`` has further fields of the model."""
    width, init = fields.pop("width", 0.25), fields.pop("init", "he")
    net = fields.pop("net", {})
    groups = {name: fields.pop(name) for name in ("data", "protocol") if name in fields}
    recipe = {"epochs": 8, "batch_size": 64, "learning_rate": 0.05, "schedule": {"name": "step"}}
    tree = {
        "seed": seed,
        "model": {"name": model, "width": width} | net,
        "norm": {"name": norm},
        "init": {"name": init},
        "data": {"name": "digits", "image_size": 32},
        "recipe": recipe | fields,
        "protocol": {"name": "center", "top_k": [1, 5]},
        "trainer": {"precision": "bf16"},
        "study": {"name": "test"},
    }
    return parse(tree | groups)


def run(
    model: str,
    seed: int,
    top1: float | None,
    *,
    state: State = State.FINISHED,
    root: Path = Path("runs"),
    layers: int = 11,
    top5: float | None = None,
    also: dict[str, Any] | None = None,
    **fields: Any,
) -> RunRecord:
    """A run with this top-1 error on the centre crop; None: it left no errors."""
    errors: dict[str, ProtocolErrors] = {}
    if top1 is not None:
        errors["center"] = {"top1_error": top1, "loss": 0.2, "images": 4000}
        if top5 is not None:
            errors["center"]["top5_error"] = top5
    described = config(model, seed, **fields)
    norm, width = described.norm.name, described.model.width
    name = f"{model}-{norm}-{described.init.name}-{width}-s{seed}"
    result: Result = {
        "errors": errors | (also or {}),
        "validation": {"best_epoch": 7, "best_top1_error": 5.0},
        "cost": {"weight_layers": layers, "parameters": 123, "macs": 456, "activations_all": 7},
        "speed": {"step_ms": 30.0 + seed, "images_per_second": 900.0},
        "hardware": {"precision": "bf16", "threads": 1},
    }
    return RunRecord(RunDirectory(root / name), described, Status(state=state), result)


def net(
    model: str, error: float, *, seeds: int = 5, images: int = 10_000_000, **fields: Any
) -> list[RunRecord]:
    """Runs around an error, on so many images that only seeds matter."""
    shift = {name: i for i, name in enumerate("abcde")}[model]
    found = []
    for seed in range(seeds):
        point = run(model, seed, error + NOISE[(seed + shift) % 5], **fields)
        point.result["errors"]["center"]["images"] = images
        found.append(point)
    return found


def missing(model: str, seed: int, **fields: Any) -> MissingPoint:
    """A point without a directory."""
    return MissingPoint(f"{model}-missing-s{seed}", config(model, seed, **fields))


def view(*points: RunRecord | MissingPoint, claims: Claims | None = None) -> StudyView:
    """The study of these points."""
    return StudyView(
        name="test",
        asks="",
        paper="",
        runs=[p for p in points if isinstance(p, RunRecord)],
        missing=[p for p in points if isinstance(p, MissingPoint)],
        claims=claims or {},
    )
