"""The runs of one name in a table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vgglab.runs.identity import canonical_json
from vgglab.study.claims.mistakes import Mistakes


@dataclass(frozen=True)
class ForeignArm:
    """The runs of one name in a table."""

    name: str
    errors: Mapping[int, float]
    """Seed -> error, percent where ``images`` are known, of the runs that have one."""
    untrained: tuple[int, ...]
    """Seeds of the runs without one."""
    tested_on: Mapping[int, int]
    """Seed -> test images, of the runs of which that is known."""
    mistakes: Mapping[int, Mistakes] = field(default_factory=dict)
    """Seed -> which images were wrong, of all runs that have an error; else empty."""

    @property
    def images(self) -> int | None:
        """Fewest test images of any run that has an error; None where one does not say."""
        counts = [self.tested_on.get(seed) for seed in self.errors]
        known = [count for count in counts if count is not None]
        return min(known) if known and len(known) == len(counts) else None

    @property
    def mean(self) -> float | None:
        return float(np.mean([*self.errors.values()])) if self.errors else None

    @property
    def run_ids(self) -> tuple[str, ...]:
        """A name of each run that is another where anything known of it is, whatever other runs the
        arm has, sorted."""
        return tuple(sorted(self._run_id(seed) for seed in (*self.errors, *self.untrained)))

    def _run_id(self, seed: int) -> str:
        error, images = self.errors.get(seed), self.tested_on.get(seed)
        known = {"arm": self.name, "error": error, "images": images}
        digest = hashlib.sha256(canonical_json(known).encode())
        if found := self.mistakes.get(seed):
            digest.update(found.wrong_n.tobytes())
        return f"s{seed}-{digest.hexdigest()[:16]}"


def share_images(arms: Iterable[ForeignArm]) -> bool:
    """Whether it is known which images every run got wrong, and they are the same images."""
    found = [arm.mistakes.get(seed) for arm in arms for seed in arm.errors]
    first = found[0] if found else None
    return first is not None and all(one is not None and first.same_images(one) for one in found)
