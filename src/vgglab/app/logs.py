"""``train.log``: what happened in a run, traceback included."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

NAMES = ("vgglab", "pytorch_lightning", "py.warnings")


@contextlib.contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Send the log records of the harness, of Lightning and of warnings to a file."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.captureWarnings(True)
    before = {}
    for name in NAMES:
        logger = logging.getLogger(name)
        before[name] = (logger.handlers, logger.level, logger.propagate)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "vgglab" else logging.WARNING)
    try:
        yield
    finally:
        for name, (handlers, level, propagate) in before.items():
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
        logging.captureWarnings(False)
        handler.close()
