"""Whether two checkouts compute the same: a handful of small runs and a study, to the byte.

    python benchmarks/same_results.py ../other-checkout

For a change that is not meant to alter numbers. Each checkout runs every case with its own
``.venv/bin/python`` in an empty folder; compared are the runs' names, ``metrics.jsonl`` and
``result.json`` without what a clock decides, every prediction, and the study's ``claims.json``.
Exit code 1 where something differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from side_by_side import markdown

HERE = Path(__file__).resolve().parent.parent
SMALL = (
    "model.width=0.0625",
    "recipe.epochs=2",
    "recipe.batch_size=128",
    "data.classes=6",
    "trainer.accelerator=cpu",
    "trainer.threads=1",
    "trainer.log_every=4",
    "trainer.progress=false",
    "tracking=off",
)
"""Overrides with which a run takes seconds."""
CASES: Mapping[str, tuple[str, ...]] = {
    "A": (*SMALL, "model=a"),
    "D with batch norm": (*SMALL, "model=d", "norm=batch", "protocol=dense"),
    "A-LRN": (*SMALL, "model=a_lrn"),
    "D from layers of A": (*SMALL, "model=d", "init=pretrained_a"),
    "a folder of JPEG files": (
        *SMALL,
        "norm=batch",
        "data=folder",
        "data.root=photos",
        "data.image_size=32",
        "recipe.scale_min=36",
        "recipe.scale_max=48",
        "recipe.batch_size=32",
        "recipe.color_shift=0.1",
        "protocol=both",
        "protocol.also=[center]",
    ),
    "a study": ("-m", *SMALL, "norm=batch", "model=a,a_lrn,b", "seed=0,1", "study.name=same"),
}
CLOCKED = ("time", "speed", "hardware", "seconds")
"""How keys begin whose values a clock or the machine decides."""


def make_photos(folder: Path) -> None:
    """Six classes of 24 JPEG files of several sizes: noisy waves in a class's own direction."""
    random = np.random.default_rng(0)
    for label in range(6):
        (folder / f"class{label}").mkdir(parents=True)
        for number in range(24):
            height, width = random.integers(40, 90, size=2)
            rows, columns = np.mgrid[0:height, 0:width]
            angle = np.pi * label / 6
            wave = 128 + 80 * np.sin((rows * np.cos(angle) + columns * np.sin(angle)) / 3)
            image = wave[..., None] + random.normal(0, 20, (height, width, 3))
            pixels = np.clip(image, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"class{label}" / f"{number}.jpg", quality=90)


def carry_out(checkout: Path, folder: Path) -> None:
    """Run every case of one checkout in ``folder``.

    Raises:
        SystemExit: a case did not end well.
    """
    make_photos(folder / "photos")
    for name, overrides in CASES.items():
        print(f"{checkout.name}: {name}", file=sys.stderr, flush=True)
        command = [str(checkout / ".venv/bin/python"), str(checkout / "run.py"), *overrides]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise SystemExit(f"{checkout}: {name}: exit code {ended.returncode}\n{ended.stderr}")


def unclocked(value: Any) -> Any:
    """Plain values without the keys of ``CLOCKED``."""
    if isinstance(value, Mapping):
        return {k: unclocked(v) for k, v in value.items() if not str(k).startswith(CLOCKED)}
    return [unclocked(item) for item in value] if isinstance(value, list) else value


def contents(folder: Path) -> dict[str, Any]:
    """File -> what is compared of it."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name == "metrics.jsonl":
            lines = path.read_text(encoding="utf-8").splitlines()
            found[name] = [unclocked(json.loads(line)) for line in lines]
        elif path.name == "result.json":
            found[name] = unclocked(json.loads(path.read_text(encoding="utf-8")))
        elif path.name == "claims.json":
            found[name] = json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".parquet":
            table = pq.read_table(path)
            found |= {f"{name}: {column}": table[column] for column in table.column_names}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("other", type=Path, help="a checkout with a .venv of its own")
    other = parser.parse_args().other.resolve()
    with tempfile.TemporaryDirectory(prefix="vgglab-same-") as scratch:
        sides = []
        for number, checkout in enumerate((other, HERE)):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            carry_out(checkout, folder)
            sides.append(contents(folder))
    theirs, ours = sides
    rows = []
    for name in sorted(theirs.keys() | ours.keys()):
        both = name in theirs and name in ours
        same = both and theirs[name] == ours[name]
        rows.append([name, "equal" if same else "different" if both else "only in one"])
    print(markdown(["file", "here and there"], rows))
    if any(verdict != "equal" for _, verdict in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
