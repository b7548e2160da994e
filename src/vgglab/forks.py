"""Work of tenths of a second each, divided over the cores by forks of this process.

A fork knows all that this process knows, so that nothing is loaded or sent but what it finds.
Imports nothing of vgglab but ``machine``.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import BinaryIO, TypeVar

from vgglab.machine import cores

Item = TypeVar("Item")
Found = TypeVar("Found")

STOPS = (signal.SIGINT, signal.SIGTERM)
MOST = 16
"""Forks at a time: each copies a part of this process's memory."""
BYTES = 4
"""Of an item's place."""


def in_forks(
    function: Callable[[Item], Found],
    items: Sequence[Item],
    meanwhile: Callable[[], object] | None = None,
) -> list[Found]:
    """What a function returns for each item, computed by as many forks as there are cores, or MOST.

    Here, one after another, where a fork is not safe: outside Linux, and in a process with threads,
    whose locks a fork would find closed, or with torch. Also where a fork fails, so that an error
    is raised as if there were none, for the first item that has it.

    Args:
        function: changes nothing that anybody asks for later; what it returns can be pickled.
        items: what it is called with.
        meanwhile: called once in this process, while the forks compute.
    """
    count = min(cores(), len(items), MOST) if _is_safe() else 1
    if count < 2:
        if meanwhile:
            meanwhile()
        return [function(item) for item in items]
    places = _places(len(items))
    forks: list[tuple[int, BinaryIO]] = []
    try:
        with contextlib.suppress(OSError):  # no memory, or too many processes: fewer do it
            for _ in range(count):
                forks.append(_forked(function, items, places))
        if meanwhile:
            meanwhile()
        parts = [reader.read() for _, reader in forks]
    finally:
        os.close(places)
        for process, reader in forks:
            reader.close()
            os.kill(process, signal.SIGKILL)  # it has found what it was to find, or nobody waits
            os.waitpid(process, 0)
    found: dict[int, Found] = {}
    for part in filter(None, parts):
        found |= pickle.loads(part)
    if len(found) < len(items):
        return [function(item) for item in items]
    return [found[place] for place in range(len(items))]


def _places(count: int) -> int:
    """A file of the items' places: a fork that has done one reads which is its next, and as all
    forks read on where the last one has read, each item is done once."""
    file = os.memfd_create("places")
    os.write(file, b"".join(place.to_bytes(BYTES) for place in range(count)))
    os.lseek(file, 0, os.SEEK_SET)
    return file


def _is_safe() -> bool:
    alone = threading.active_count() == 1 and "torch" not in sys.modules
    return sys.platform == "linux" and alone


def _forked(
    function: Callable[[Item], Found], items: Sequence[Item], places: int
) -> tuple[int, BinaryIO]:
    """The number of a process that computes items, and where it writes what it found."""
    reading, writing = os.pipe()
    # Ctrl-C and a stop are for the command to answer: a fork ends without a word.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    with warnings.catch_warnings():
        # Python 3.12 and later warn of the threads of OpenBLAS, which ends them in a fork itself.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            process = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise
    if process:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writing)
        return process, os.fdopen(reading, "rb")
    try:
        for number in STOPS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(reading)
        gc.disable()  # a collection would write to, and so copy, the pages of all that is known
        found: dict[int, Found] = {}
        while place := os.read(places, BYTES):
            found[int.from_bytes(place)] = function(items[int.from_bytes(place)])
        with os.fdopen(writing, "wb") as file:
            file.write(pickle.dumps(found))
    finally:
        os._exit(0)  # whatever it raised: the command finds nothing written, and computes it itself
