"""Figures drawn by processes of their own, while the command goes on with something else."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from vgglab import machine
from vgglab.report.blocks import Figure


@contextlib.contextmanager
def drawn_beside(figures: Sequence[Figure]) -> Iterator[None]:
    """Have the files of figures made while the body runs; at its end the figures have them.

    A figure whose process fails is left as it was: it is drawn when it is asked for, and what is
    wrong with it is said as ever.
    """
    forks = hasattr(os, "fork") and machine.cores() > 1
    begun = [(figure, *_begin(figure)) for figure in figures] if forks else []
    try:
        yield
        for figure, _, pipe in begun:
            with contextlib.suppress(EOFError, pickle.UnpicklingError):
                figure.take_files(pickle.load(pipe))
    finally:
        for _, process, pipe in begun:
            pipe.close()
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(process, signal.SIGKILL)  # of no use any more, if it is still there
                os.waitpid(process, 0)


def _begin(figure: Figure) -> tuple[int, BinaryIO]:
    """Start the process of a figure, and return its number and what it writes into."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return process, os.fdopen(reading, "rb")
    try:
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(figure.files, pipe)
    finally:
        os._exit(0)  # nothing that the command has yet to do is this process's
