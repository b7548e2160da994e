"""Output that nobody may read any more: ``| head -1``, ``>&-``, a terminal that was closed."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Buffer

GONE = (errno.EPIPE, errno.EIO, errno.EBADF)
"""Of a write to a pipe whose reader has left, or to a terminal that is closed."""


class _Stream(io.FileIO):
    """A descriptor; from the first failed write on, what is written is dropped."""

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in GONE:
                raise
            _to_nowhere(self.fileno())
            return memoryview(data).nbytes


def _to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


def plain_console(**options: Any) -> Console:
    """A console that prints text as it is: names, paths and reasons may have brackets, which Rich
    takes for markup, and words between colons, which it takes for emoji.

    Args:
        options: of Rich's ``Console``.
    """
    from rich.console import Console  # not for those who only want the streams

    return Console(markup=False, emoji=False, **options)


QUIET_SECONDS = 1.0
"""What takes less is not announced."""


@contextlib.contextmanager
def announced(doing: str, *, shown: bool) -> Iterator[None]:
    """Say on standard output what goes on, if that takes longer than ``QUIET_SECONDS`` and is to be
    ``shown``: not in the log of a study's point."""
    if not shown:
        yield
        return
    timer = threading.Timer(QUIET_SECONDS, print, [f"{doing} ..."], {"flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def outlive_readers() -> None:
    """Let a command go on to its own end where nobody reads what it says.

    A run must not end because of it, and a command that only prints has nothing to complain of.
    Characters that the encoding of the terminal lacks are written as escapes.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:  # else the next file that is opened would get its number
            _to_nowhere(descriptor)
    sys.stdout = _outliving(sys.stdout, 1)
    sys.stderr = _outliving(sys.stderr, 2)


def _outliving(stream: TextIO | None, descriptor: int) -> TextIO:
    # A stream that was closed at the start: its number may be another file's by now.
    raw = _Stream(descriptor if stream else os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    strict = stream is None or stream.errors == "strict"
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding if stream else "utf-8",
        errors="backslashreplace" if strict or stream is None else stream.errors,
        line_buffering=descriptor == 2 or raw.isatty(),
    )
