"""What a run says of the images that ``data.on_error=skip`` made it do without."""

from __future__ import annotations

import csv
import io
import logging
from collections import Counter
from pathlib import Path
from typing import Any

from vgglab.config import Config
from vgglab.data.sources.registry import skipped_files
from vgglab.data.splits import SPLITS
from vgglab.runs import RunDirectory
from vgglab.runs.atomic import write_text

log = logging.getLogger(__name__)


def note_skipped(config: Config, directory: RunDirectory) -> dict[str, Any]:
    """Write ``skipped.csv``, warn, and return what ``result.json`` says; nothing where every file
    can be read."""
    found = skipped_files(config.data, Path(config.paths.data))
    if not found:
        return {}
    counts = Counter(skipped.split for skipped in found)
    rows = [(skipped.split, skipped.file, skipped.reason) for skipped in found]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("split", "file", "reason"), *rows])
    write_text(directory.skipped, text.getvalue())
    log.warning(
        "data.on_error=skip: %d training and %d validation images cannot be read and are left out; "
        "%d test images cannot be read and count as errors (%s)",
        *(counts[split] for split in SPLITS),
        directory.skipped,
    )
    for row in rows:
        log.info("skipped: %s %s: %s", *row)
    return {"skipped": {split: counts[split] for split in SPLITS} | {"files": rows}}
