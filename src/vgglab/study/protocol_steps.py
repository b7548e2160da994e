"""The same nets tested in several ways: what a protocol adds to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vgglab.study.estimate import Estimate, estimate
from vgglab.study.protocol_order import in_order
from vgglab.study.summary import Summary


@dataclass(frozen=True)
class ProtocolStep:
    """Error of an arm under ``protocol`` minus its error under ``base``, percentage points."""

    summary: Summary
    """Under ``protocol``."""
    base: str
    by_seed: dict[int, float]
    """Seed -> difference, of the seeds tested under both: the same weights and images."""

    @property
    def estimate(self) -> Estimate | None:
        """Mean difference and paired t-interval; None without a pair."""
        return estimate(self.by_seed.values())


def protocol_steps(summaries: Sequence[Summary]) -> list[ProtocolStep]:
    """Every arm under every protocol, each against the arm's first; arms in their order."""
    found: list[ProtocolStep] = []
    for arm in dict.fromkeys(summary.arm for summary in summaries):
        of = {s.protocol: s for s in summaries if s.arm == arm}
        protocols = in_order(list(of))
        base = of[protocols[0]].top1_error
        for protocol in protocols:
            errors = of[protocol].top1_error
            both = sorted(errors.keys() & base.keys())
            by_seed = {seed: errors[seed] - base[seed] for seed in both}
            found.append(ProtocolStep(of[protocol], protocols[0], by_seed))
    return found
