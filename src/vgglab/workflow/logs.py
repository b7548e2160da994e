"""``train.log``: what happened in a run, traceback included; warnings also on the screen."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from vgglab.privacy import for_others, without_secrets

NAMES = ("vgglab", "pytorch_lightning", "py.warnings")


@contextlib.contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Send the log records of the harness, of Lightning and of warnings to a file.

    What the harness itself warns of is said on the screen too. Errors are not: they end the
    command, which says them in a line of its own.
    """
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.captureWarnings(True)
    before = {}
    for name in NAMES:
        logger = logging.getLogger(name)
        before[name] = (logger.handlers, logger.level, logger.propagate)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO if name == "vgglab" else logging.WARNING)
    logging.getLogger("vgglab").addHandler(_screen())
    try:
        yield
    finally:
        for name, (handlers, level, propagate) in before.items():
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
        logging.captureWarnings(False)
        handler.close()


class _Formatter(logging.Formatter):
    """Without the user's home folder and passwords: logs are attached to bug reports."""

    def format(self, record: logging.LogRecord) -> str:
        return for_others(super().format(record))


class _ScreenFormatter(logging.Formatter):
    """Without passwords: screens are copied into bug reports too."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


def _screen() -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ScreenFormatter("warning: %(message)s"))
    handler.addFilter(lambda record: record.levelno == logging.WARNING)
    return handler
