"""The paper's own tables as a study of runs: do the verdicts come to the paper's conclusions?

    python benchmarks/paper_numbers.py studies/paper     writes runs and report there

Every run has the error that the paper prints, plus an invented seed noise with a standard deviation
of 0.2 points, on 50,000 invented images: as many as ILSVRC-2012 validation has. Nothing is trained.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from vgglab.config import Config, plain
from vgglab.config.claims import Claims, parse_claims
from vgglab.config.parse import parse
from vgglab.report import write_report
from vgglab.runs import RunDirectory, load_runs, write_result
from vgglab.runs.records import NetSize, ProtocolErrors, Result, Validation
from vgglab.study import StudyView

CLAIMS = Path(__file__).resolve().parent.parent / "conf" / "claims" / "vgg2014.yaml"
DIFFICULTY, TASTE, PROTOCOL_TASTE = 1.65, 0.24, 0.24
"""Standard deviations of what images add to a net's score, fitted to runs by ``calibration.py``."""


@dataclass(frozen=True)
class Row:
    """One trained net of the paper; errors are top-1, percent, on ILSVRC-2012 validation."""

    net: str
    smallest: int
    """Training scale S, from."""
    largest: int
    errors: dict[str, float] = field(default_factory=dict)


ROWS = (  # dense: Table 3; multi_scale: Table 4; multi_crop and both: Table 5
    Row("a", 256, 256, {"dense": 29.6}),
    Row("a_lrn", 256, 256, {"dense": 29.7}),
    # The section 4.1 comparison is on a centre crop and prints "7% higher" alone: B's dense error
    # stands in, and 7% is taken of it, the smaller of the two readings.
    Row("b", 256, 256, {"center": 28.7, "dense": 28.7, "multi_scale": 28.2}),
    Row("b_5x5", 256, 256, {"center": 1.07 * 28.7}),
    Row("c", 256, 256, {"dense": 28.1, "multi_scale": 27.7}),
    Row("c", 384, 384, {"dense": 28.1, "multi_scale": 27.8}),
    Row("c", 256, 512, {"dense": 27.3, "multi_scale": 26.3}),
    Row("d", 256, 256, {"dense": 27.0, "multi_scale": 26.6}),
    Row("d", 384, 384, {"dense": 26.8, "multi_scale": 26.5}),
    Row("d", 256, 512, {"dense": 25.6, "multi_scale": 24.8, "multi_crop": 24.6, "both": 24.4}),
    Row("e", 256, 256, {"dense": 27.3, "multi_scale": 26.9}),
    Row("e", 384, 384, {"dense": 26.9, "multi_scale": 26.7}),
    Row("e", 256, 512, {"dense": 25.5, "multi_scale": 24.8, "multi_crop": 24.6, "both": 24.4}),
)


class Images:
    """Difficulty of each image: for all nets, for one net, and under one protocol."""

    def __init__(self, count: int, random: np.random.Generator) -> None:
        self._random = random
        self.count = count
        self._shared = DIFFICULTY * self._normal()
        self._tastes: dict[str, NDArray[np.float32]] = {}

    def scores(self, net: str) -> NDArray[np.float32]:
        """The scores of one run, before those of a protocol are added."""
        return self._shared + self._taste(net, TASTE) + self._normal()

    def wrong(
        self, scores_n: NDArray[np.float32], protocol: str, error: float
    ) -> NDArray[np.bool_]:
        """Where a run is wrong: on the images with the highest scores under a protocol.

        Args:
            scores_n: of the run, by image.
            protocol: that it is tested under.
            error: share of the images that it gets wrong, percent.
        """
        seen_n = scores_n + self._taste(protocol, PROTOCOL_TASTE)
        count = round(error / 100 * self.count)
        wrong_n = np.zeros(self.count, dtype=np.bool_)
        wrong_n[np.argpartition(-seen_n, count)[:count]] = True
        return wrong_n

    def _taste(self, name: str, size: float) -> NDArray[np.float32]:
        if name not in self._tastes:
            self._tastes[name] = size * self._normal()
        return self._tastes[name]

    def _normal(self) -> NDArray[np.float32]:
        return self._random.standard_normal(self.count, dtype=np.float32)


def _config(row: Row, seed: int) -> Config:
    tree = {
        "seed": seed,
        "model": {"name": row.net, "width": 1.0},
        "norm": {"name": "none"},
        "init": {"name": "gaussian"},
        "data": {"name": "imagenet", "image_size": 224},
        "recipe": {
            "epochs": 74,
            "batch_size": 256,
            "learning_rate": 0.01,
            "scale_min": row.smallest,
            "scale_max": row.largest,
        },
        "protocol": {"name": "dense"},
        "trainer": {"precision": "fp32"},
    }
    return parse(tree)


def write_run(folder: Path, row: Row, seed: int, shift: float, images: Images) -> None:
    """Write a finished run whose errors are the row's plus its seed's shift.

    Args:
        folder: of the run.
        row: of the paper's tables.
        seed: of the run.
        shift: that the seed adds to every error, percentage points.
        images: that it is tested on.
    """
    scores_n = images.scores(f"{row.net} {row.smallest} {row.largest}")
    wrong = {
        protocol: images.wrong(scores_n, protocol, error + shift)
        for protocol, error in row.errors.items()
    }
    write_tested_run(folder, _config(row, seed), wrong, np.arange(images.count))


def write_tested_run(
    folder: Path,
    config: Config,
    wrong: Mapping[str, NDArray[np.bool_]],
    original_n: NDArray[np.int64],
) -> None:
    """Write a finished run of which only its tests are known.

    Args:
        folder: of the run.
        config: of the run.
        wrong: protocol -> the test images that it got wrong.
        original_n: the original that each test image is made from.
    """
    predictions = folder / "predictions"
    predictions.mkdir(parents=True)
    errors: dict[str, ProtocolErrors] = {}
    for protocol, wrong_n in wrong.items():
        errors[protocol] = {"top1_error": 100 * float(wrong_n.mean()), "images": len(wrong_n)}
        # Two classes tell right from wrong: the label is 0, and so is the prediction if right.
        table = {
            "index": np.arange(len(wrong_n)),
            "original": original_n,
            "label": np.zeros(len(wrong_n), dtype=np.int64),
            "classes": list(wrong_n.astype(np.int32)[:, None]),
        }
        pq.write_table(pa.table(table), predictions / f"{protocol}.parquet", compression="zstd")
    (folder / "config.yaml").write_text(yaml.safe_dump(plain(config)), encoding="utf-8")
    (folder / "status.json").write_text(json.dumps({"state": "finished"}), encoding="utf-8")
    cost: NetSize = {"weight_layers": config.model.net.weight_layers}
    first = next(iter(errors.values()))["top1_error"]  # a finished run has one; nobody reads it
    validation: Validation = {"best_epoch": 0, "best_top1_error": first, "last_top1_error": first}
    result: Result = {"errors": errors, "cost": cost, "validation": validation}
    write_result(RunDirectory(folder), result)


def paper_claims() -> Claims:
    """The claims of ``claims=vgg2014``."""
    return parse_claims(yaml.safe_load(CLAIMS.read_text(encoding="utf-8")))


def paper_study(
    root: Path, *, seeds: int = 10, noise: float = 0.2, images: int = 50_000
) -> StudyView:
    """Write run folders with the paper's errors under ``root/runs``; return the study of them.

    Args:
        root: folder.
        seeds: of each net.
        noise: standard deviation over seeds, percentage points.
        images: test images.
    """
    random = np.random.default_rng(0)
    test_images = Images(images, random)
    for row in ROWS:
        for seed in range(seeds):
            name = f"{row.net}-{row.smallest}-{row.largest}-s{seed}"
            shift = noise * float(random.standard_normal())
            write_run(root / "runs" / name, row, seed, shift, test_images)
    return StudyView(
        name="paper",
        asks="Do the paper's own numbers, with noise of 0.2 points, give the paper's conclusions?",
        paper="Tables 3 to 5 of arXiv:1409.1556v6.",
        runs=load_runs(root / "runs"),
        claims=paper_claims(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="new folder for runs and report")
    parser.add_argument("--seeds", type=int, default=10)
    chosen = parser.parse_args()
    page = write_report(paper_study(chosen.folder, seeds=chosen.seeds), chosen.folder)
    for claim in json.loads((chosen.folder / "claims.json").read_text("utf-8"))["claims"]:
        setting = " ".join(f"{k}={v}" for k, v in claim["setting"].items())
        print(f"{claim['verdict']:12}  {claim['claim']} {setting}")
    print(f"report: {page}")


if __name__ == "__main__":
    main()
