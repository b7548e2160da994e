"""``task=judge baseline=... candidate=...``: named runs, compared once, and the ledger of asks."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from vgglab.config import Config, arm_fields
from vgglab.config.claims import Claim
from vgglab.config.names import listed
from vgglab.config.parse import ConfigError
from vgglab.runs import RunDirectory, RunRecord, load_run
from vgglab.runs.identity import canonical_json
from vgglab.runs.lines import append_lines
from vgglab.study import gate
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.evidence import Evidence
from vgglab.study.claims.pairing import Paired
from vgglab.workflow.compose import composed_claims
from vgglab.workflow.evaluation import names
from vgglab.workflow.same_data import why_other_data, why_other_parents

LEDGER = "judge.jsonl"
LONGEST = 5
"""Fields that a message names."""


def ledger_of(config: Config) -> Path:
    """The file that asks are entered in."""
    named = config.judge.ledger
    return Path(named).expanduser() if named else config.paths.studies_folder / LEDGER


def ask(config: Config) -> dict[str, Any]:
    """Compare the runs that are named, and enter the ask in the ledger.

    Returns:
        The ledger's line, and beside it ``repeated``: whether it stood there before.

    Raises:
        ConfigError: a run is not there, has no outcome, or is on both sides; a side is not one arm
            with a seed a run; the sides cannot be compared; the ledger is no ledger.
    """
    baseline, candidate = (_arm(config, field) for field in ("baseline", "candidate"))
    _refuse_others_data(baseline, candidate, config.paths.data_folder)
    claim = _claim(config)
    comparison = gate.compared(baseline, candidate, claim)
    if comparison is None:
        raise ConfigError(
            f"baseline, candidate: no protocol of {', '.join(claim.protocol)} under which all runs "
            "were tested; task=evaluate run=ID protocol=NAME tests them"
        )
    paired, evidence = gate.tested(comparison)
    if paired.waiting:
        raise ConfigError(
            f"baseline, candidate: no {claim.metric} of the runs with the seeds "
            f"{', '.join(map(str, paired.waiting))}"
        )
    asked = gate.Asked(
        arms=(_arm_name(baseline), _arm_name(candidate)),
        baseline=tuple(sorted(run.id for run in baseline)),
        candidate=tuple(sorted(run.id for run in candidate)),
        metric=claim.metric,
        protocol=comparison.sides[0].protocol,
        margin=claim.margin,
    )
    return entered(ledger_of(config), asked, paired, evidence)


def entered(path: Path, asked: gate.Asked, paired: Paired, evidence: Evidence) -> dict[str, Any]:
    """Answer an ask from the ledger, or enter it, of which there is one a place however many
    processes ask at once.

    Args:
        path: of the ledger.
        asked: what is asked.
        paired: the errors, the candidate first.
        evidence: of a ``lower`` claim on them.

    Returns:
        The ledger's line, and ``repeated``.

    Raises:
        ConfigError: the file is no ledger.
    """
    found: dict[str, Any] = {}

    def following(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        try:
            known = gate.earlier(asked, lines)
            place = gate.place_of(asked, lines)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"judge.ledger = {path}: is no ledger of this task: {error}; name another file"
            ) from error
        if known is not None:
            found.update(known, repeated=True)
            return []
        line = _line(asked, place, paired, evidence)
        found.update(line, repeated=False)
        return [line]

    append_lines(path, following)
    return found


def _line(
    asked: gate.Asked, place: gate.Place, paired: Paired, evidence: Evidence
) -> dict[str, Any]:
    effect = evidence.effect
    said = gate.answer(paired, evidence, place)
    is_tested = said.level > 0
    is_open = said.word is gate.Word.UNDECIDED and not said.reason
    return {
        "time": time.time(),
        "word": str(said.word),
        "difference": effect.mean if effect else None,
        "interval": said.interval,
        "interval_95": effect.interval if effect and is_tested else None,
        "errors": [paired.error(gate.BASELINE), paired.error(gate.CANDIDATE)],
        "seeds": [_trained(paired, gate.BASELINE), _trained(paired, gate.CANDIDATE)],
        "untrained": [paired.runs(gate.BASELINE)[0], paired.runs(gate.CANDIDATE)[0]],
        "paired": _is_paired(effect),
        "more_seeds": (
            gate.more_seeds(evidence, asked.margin, place.alpha, place.look + 1)
            if is_open
            else None
        ),
        "reason": said.reason,
        "question": place.question,
        # Without a test no chance of a false word is spent, and the look is still to come.
        "look": place.look if is_tested else 0,
        "level": said.level,
        "metric": asked.metric,
        "protocol": asked.protocol,
        "margin": asked.margin,
        "arms": list(asked.arms),
        "baseline": list(asked.baseline),
        "candidate": list(asked.candidate),
    }


def _trained(paired: Paired, side: int) -> int:
    failed, runs = paired.runs(side)
    return runs - failed


def _is_paired(effect: Measured | None) -> bool:
    """Whether runs of one seed were compared with each other."""
    return effect is not None and len(effect.groups) == 1


def _arm(config: Config, field: str) -> list[RunRecord]:
    """The runs of one side, which differ in their seeds alone.

    Raises:
        ConfigError: none is named, one is not there or has no outcome, or they are not one arm.
    """
    named = names(getattr(config, field))
    if not named:
        raise ConfigError(
            f"{field}: missing; task=judge baseline=[ID,...] candidate=[ID,...] compares runs, and "
            "task=runs lists those that are there"
        )
    runs = [_run(config, field, name) for name in dict.fromkeys(named)]
    seeds = [run.config.seed for run in runs]
    if len(set(seeds)) < len(seeds):
        twice = min(seed for seed in seeds if seeds.count(seed) > 1)
        raise ConfigError(f"{field}: two runs have seed {twice}; each must have one of its own")
    first, *others = map(_fields, runs)
    for other in others:
        if differing := sorted(k for k in first | other if first.get(k) != other.get(k)):
            raise ConfigError(
                f"{field}: its runs differ in {_few(differing)}; they must differ in their seeds "
                "alone"
            )
    if why := why_other_parents(runs):
        raise ConfigError(f"{field}: {why}; they must differ in their seeds alone")
    return runs


def _run(config: Config, field: str, name: str) -> RunRecord:
    path = config.paths.run_folder(name)
    if not RunDirectory(path).config.is_file():
        raise ConfigError(f"{field} = {name}: no such run; task=runs lists those that are there")
    run = load_run(path)
    if not run.state.is_outcome:
        raise ConfigError(f"{field} = {name}: is {run.state}; only runs with an outcome are judged")
    return run


def _refuse_others_data(
    baseline: Sequence[RunRecord], candidate: Sequence[RunRecord], folder: Path
) -> None:
    """Refuse a run on both sides, and runs of two data sets; ``folder``: ``paths.data``."""
    if both := {run.id for run in baseline} & {run.id for run in candidate}:
        raise ConfigError(f"baseline, candidate: {min(both)} is on both sides")
    ours, theirs = baseline[0].config.data, candidate[0].config.data
    for name in ("name", "classes"):
        if getattr(ours, name) != getattr(theirs, name):
            raise ConfigError(
                f"data.{name}: {getattr(ours, name)} of the baseline and {getattr(theirs, name)} "
                "of the candidate; their errors cannot be compared"
            )
    if why := why_other_data([*baseline, *candidate], folder):
        raise ConfigError(f"baseline, candidate: {why}; their errors cannot be compared")


def _arm_name(runs: Sequence[RunRecord]) -> str:
    return hashlib.sha256(canonical_json(_fields(runs[0])).encode()).hexdigest()[:16]


def _fields(run: RunRecord) -> dict[str, Any]:
    """What makes its arm: how it is tested besides changes nothing of a test that both have."""
    fields = arm_fields(run.config)
    return {name: value for name, value in fields.items() if not name.startswith("protocol.")}


def _claim(config: Config) -> Claim:
    """What is asked: the claim that is named, or the plain one.

    Raises:
        ConfigError: ``judge.claim`` names no claim that the gate can ask.
    """
    named = config.judge.claim
    if not named:
        return gate.plain_claim(config.judge.margin)
    claims = composed_claims(HydraConfig.get().overrides.task)
    if named not in claims:
        raise ConfigError(
            f"judge.claim = {named}: must be {listed(sorted(claims))}, as claims= has"
        )
    claim = claims[named]
    if claim.direction != "lower" or len(claim.compare) != 2 or claim.margin_share:
        raise ConfigError(
            f"judge.claim = {named}: must be a claim 'lower' of two sides, with a margin in "
            "percentage points or none"
        )
    if config.judge.margin:
        raise ConfigError(
            f"judge.margin = {config.judge.margin:g}, judge.claim = {named}: the claim has a "
            "margin of its own; set one of them"
        )
    return claim


def _few(fields: Sequence[str]) -> str:
    more = f" and {len(fields) - LONGEST} more" if len(fields) > LONGEST else ""
    return ", ".join(fields[:LONGEST]) + more
