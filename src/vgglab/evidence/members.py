"""The files of a study and of its runs that its words rest on, as others may see them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from vgglab.privacy import for_others, without_folders_in, without_secrets_in
from vgglab.runs import RunRecord
from vgglab.runs.atomic import as_json
from vgglab.runs.damage import read_object
from vgglab.study import StudyView
from vgglab.study.stored import CONTROL_LEDGER, DECLARED, LEDGER, STUDY

CLAIMS = "claims.json"
TEXTS = (DECLARED, LEDGER, CONTROL_LEDGER, CLAIMS, "report.md", "report.html")
"""Of a study, as they are printed; those that there are."""
RUNS = "../../runs"
"""The folder of runs, seen from a study's in a bundle."""


def members_of(view: StudyView, folder: Path) -> dict[str, bytes | Path]:
    """Name in the bundle -> content: of the study, its runs, its null arm and its control runs.

    Neither checkpoints nor images nor logs. Folders of this machine are left out of what says
    them: of a path the last name is kept.

    Args:
        view: the study of the folder.
        folder: ``studies/<name>``.

    Raises:
        DamagedFile: a file is not what it should be.
    """
    here = f"studies/{view.name}"
    stored = {**(read_object(folder / STUDY) or {}), "runs": RUNS}
    found: dict[str, bytes | Path] = {f"{here}/{STUDY}": _json(stored)}
    for name in TEXTS:
        if (path := folder / name).exists():
            text = path.read_text(encoding="utf-8", errors="replace")
            found[f"{here}/{name}"] = for_others(text).encode()
    for point in (*view.runs, *view.placebo, *view.control):
        if isinstance(point, RunRecord):
            found |= {f"runs/{point.id}/{name}": what for name, what in _of_run(point)}
    return found


def _of_run(run: RunRecord) -> Iterator[tuple[str, bytes | Path]]:
    files = run.directory
    # Not the record's own: another version may know other fields, and what it wrote is kept.
    config = yaml.safe_load(files.config.read_text(encoding="utf-8"))
    yield files.config.name, yaml.safe_dump(_cleaned(config), sort_keys=False).encode()
    for path in (files.status, files.result, files.certificate):
        if (content := read_object(path)) is not None:
            yield path.name, _json(content)
    if files.metrics.exists():
        yield files.metrics.name, files.metrics
    for protocol in sorted(run.result.get("errors", {})):
        if (path := files.predictions(protocol)).exists():
            yield f"{path.parent.name}/{path.name}", path


def _json(content: Any) -> bytes:
    # By way of JSON, in which a tuple is a list.
    return as_json(_cleaned(json.loads(json.dumps(content)))).encode()


def _cleaned(tree: Any) -> Any:
    return without_secrets_in(without_folders_in(tree))
