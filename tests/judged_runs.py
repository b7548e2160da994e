"""A small study with predictions, written without training: what a bundle is made of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from report_runs import make_study

from vgglab.config.claims import parse_claims
from vgglab.runs import RunDirectory, load_run, read_result, write_result
from vgglab.runs.atomic import write_json
from vgglab.study.printed import printed_record
from vgglab.study.stored import write_study

IMAGES = 400
CLAIMS = {
    "deeper": {
        "statement": "B has a lower error than A",
        "direction": "lower",
        "compare": [{"model.name": "b"}, {"model.name": "a"}],
    },
    "first_norm": {
        "statement": "Batch norm has a lower error",
        "direction": "lower",
        "compare": [{"norm.name": "batch"}, {"norm.name": "none"}],
    },
}


def write_predictions(run: Path, wrong: int) -> None:
    """Predictions of a run of which the first so many images are wrong, and its errors."""
    labels_n = np.arange(IMAGES) % 10
    classes_nk = (labels_n[:, None] + np.arange(6)) % 10
    classes_nk[:wrong] = np.roll(classes_nk[:wrong], 1, axis=1)
    table = pa.table(
        {
            "index": np.arange(IMAGES),
            "label": labels_n,
            "loss": np.zeros(IMAGES, np.float32),
            "classes": list(classes_nk.astype(np.int32)),
            "log_probabilities": list(np.zeros((IMAGES, 6), np.float32)),
            "original": np.arange(IMAGES),
        }
    )
    path = RunDirectory(run).predictions("center")
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path)
    result = read_result(RunDirectory(run))
    errors = {"top1_error": 100 * wrong / IMAGES, "top5_error": 0.0}
    result["errors"]["center"] |= {**errors, "images": IMAGES}  # type: ignore[typeddict-item]
    write_result(RunDirectory(run), result)


def write_judged_study(root: Path) -> Path:
    """``runs/`` and ``studies/depth/`` below a folder: A and B with three seeds; B is better.

    Returns:
        The study's folder.
    """
    made = make_study(root, models=("a", "b"))
    for run in made.runs:
        better = 60 if run.config.model.name == "b" else 0
        write_predictions(run.directory.path, 120 - better + 2 * run.config.seed)
    runs = [load_run(run.directory.path) for run in made.runs]
    view = replace(made, runs=runs, claims=parse_claims(CLAIMS))
    folder = root / "studies" / "depth"
    write_study(view, folder)
    write_json(folder / "claims.json", printed_record(view))
    (folder / "report.md").write_text("# Study: depth\n", encoding="utf-8")
    return folder


def change_json(path: Path, text: str, to: str) -> None:
    """Replace a text in a file of JSON that has it; the file stays JSON."""
    before = path.read_text(encoding="utf-8")
    assert text in before
    after = before.replace(text, to)
    json.loads(after)
    path.write_text(after, encoding="utf-8")
