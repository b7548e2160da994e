"""Times of the parts of an evaluation, which keep the host a few of them ahead of a GPU."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Iterator

import torch

AHEAD = 4
"""Parts that wait for a GPU, at most: enough that it never waits for the host, and not so many that
page-locked memory fills up with images that it has still to copy."""


class Stopwatch:
    """Sums the seconds of each part; on a GPU by its own clock, which is read later."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._running: deque[tuple[str, torch.cuda.Event, torch.cuda.Event]] = deque()

    @contextlib.contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Count the time of the block as this part's."""
        if not self._on_gpu:
            begun = time.perf_counter()
            yield
            self._seconds[part] += time.perf_counter() - begun
            return
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        yield
        end.record()
        self._running.append((part, begin, end))
        self._read(AHEAD)

    def _read(self, ahead: int) -> None:
        """Wait for all parts but the latest ones."""
        while len(self._running) > ahead:
            part, begin, end = self._running.popleft()
            end.synchronize()
            self._seconds[part] += begin.elapsed_time(end) / 1e3

    def seconds(self, part: str) -> float:
        """Seconds of a part so far; waits for a GPU."""
        self._read(0)
        return self._seconds[part]
