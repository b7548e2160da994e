"""``looks.jsonl``: how often a study was looked at, with which seeds, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class LookedAt:
    """One claim at one look."""

    seeds: tuple[int, ...]
    """Seeds that it was judged with."""
    word: str
    """Its verdict then."""
    alpha_spent: float
    """Chance of a false word that has been spent on it, this look included."""
    runs: str = ""
    """Hash of the runs that it compared; empty in ledgers of earlier versions, which lack it."""
    question: str = ""
    """What was asked of them: tests, error and margin; empty as ``runs`` may be."""

    def is_same(self, other: LookedAt) -> bool:
        """Whether both are judgements of one question on the same runs."""
        told = (self.runs, other.runs), (self.question, other.question)
        alike = all(one == another or not (one and another) for one, another in told)
        return self.seeds == other.seeds and alike


@dataclass(frozen=True, kw_only=True)
class LookLine:
    """One look at a study."""

    time: float
    """Seconds since the epoch."""
    look: int | None
    """Its number among those declared, from 1; None of a study that declared none."""
    seeds: tuple[int, ...]
    """Seeds of the study that were looked at."""
    claims: Mapping[str, LookedAt]
    """By ``claim_key``."""
    minutes: float
    """Wall clock that the training of this look's runs took."""
    runs: int
    """Runs with an outcome so far."""
    null: LookedAt | None = None
    """The null arm, where it got a word; ledgers of before 29 November 2026 lack it."""

    def is_same_look(self, other: LookLine) -> bool:
        """Whether both are of one look, with the same runs of every claim."""
        null, others = self.null, other.null
        return (
            self.look == other.look
            and (null.is_same(others) if null and others else null is others)
            and self.claims.keys() == other.claims.keys()
            and all(claim.is_same(other.claims[name]) for name, claim in self.claims.items())
        )


def claim_key(name: str, setting: Mapping[str, Any]) -> str:
    """``batch_norm, model.name=a``: the name of one comparison of a claim."""
    return ", ".join([name, *(f"{field}={value}" for field, value in sorted(setting.items()))])


def claim_of_key(key: str) -> str:
    """The name of the claim that a ``claim_key`` begins with."""
    return key.partition(", ")[0]


def look_line(plain: Mapping[str, Any]) -> LookLine:
    """The line that ``plain_line`` wrote."""
    null = plain.get("null")
    return LookLine(
        time=plain["time"],
        look=plain["look"],
        seeds=tuple(plain["seeds"]),
        claims={name: _looked_at(found) for name, found in plain["claims"].items()},
        minutes=plain["minutes"],
        runs=plain["runs"],
        null=_looked_at(null) if null else None,
    )


def _looked_at(plain: Mapping[str, Any]) -> LookedAt:
    return LookedAt(
        seeds=tuple(plain["seeds"]),
        word=plain["word"],
        alpha_spent=plain["alpha_spent"],
        runs=plain.get("runs", ""),
        question=plain.get("question", ""),
    )


def plain_line(line: LookLine) -> dict[str, Any]:
    """Plain values for JSON."""
    return asdict(line)


def lines_to_add(known: list[LookLine], found: list[LookLine]) -> list[LookLine]:
    """The looks that are not in the ledger yet: the same one is never counted twice."""
    added: list[LookLine] = []
    for line in found:
        if not any(line.is_same_look(other) for other in (*known, *added)):
            added.append(line)
    return added
