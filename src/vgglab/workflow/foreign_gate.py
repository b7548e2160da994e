"""``task=judge table=... baseline=... candidate=...``: the gate on arms of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vgglab.config import Config
from vgglab.config.names import listed
from vgglab.config.parse import ConfigError
from vgglab.study import gate
from vgglab.study.foreign.arm import ForeignArm
from vgglab.study.foreign.asked import TABLE, paired_of
from vgglab.workflow.evaluation import names
from vgglab.workflow.gate import entered, ledger_of


def ask(config: Config, arms: Sequence[ForeignArm]) -> list[dict[str, Any]]:
    """Compare each candidate with the baseline, and enter each ask in the ledger.

    Args:
        config: names them.
        arms: of the table.

    Returns:
        The ledger's line of each candidate, in their order, and beside it ``repeated``: whether it
        stood there before.

    Raises:
        ConfigError: an arm is not there or is on both sides, or what is asked is no gate's claim;
            nothing is entered.
    """
    if config.judge.compare or config.judge.direction != "lower" or config.judge.claim:
        raise ConfigError(
            "judge.compare, judge.direction, judge.claim: with baseline and candidate a table is "
            "asked whether the candidate's error is lower; leave them out"
        )
    by_name = {arm.name: arm for arm in arms}
    baseline = names(config.baseline)
    candidates = tuple(dict.fromkeys(names(config.candidate)))
    if len(baseline) != 1 or not candidates:
        raise ConfigError(
            "baseline, candidate: of a table, baseline=ARM candidate=[ARM,...] compares each "
            f"candidate with the baseline; its arms are {listed(list(by_name))}"
        )
    for field, named in (("baseline", baseline), ("candidate", candidates)):
        for name in named:
            if name not in by_name:
                raise ConfigError(f"{field} = {name}: must be {listed(list(by_name))}")
    if baseline[0] in candidates:
        raise ConfigError(f"baseline, candidate: {baseline[0]} is on both sides")
    return [_asked(config, by_name[baseline[0]], by_name[name]) for name in candidates]


def _asked(config: Config, baseline: ForeignArm, candidate: ForeignArm) -> dict[str, Any]:
    margin = config.judge.margin
    paired = paired_of([candidate, baseline])
    asked = gate.Asked(
        arms=(baseline.name, candidate.name),
        baseline=baseline.run_ids,
        candidate=candidate.run_ids,
        metric="error",
        protocol=TABLE,
        margin=margin,
    )
    return entered(ledger_of(config), asked, paired, gate.LOWER.evidence(paired, margin))
