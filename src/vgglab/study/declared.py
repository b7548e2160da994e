"""``declared.jsonl``: the claims of a study, and how many of its runs had been seen by then."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from vgglab.config.claims import Claim, Claims

SHORT = 24
"""Characters of a value that a sentence may quote."""


@dataclass(frozen=True, kw_only=True)
class DeclaredLine:
    """What a study asked from a moment on."""

    time: float
    """Seconds since the epoch."""
    commit: str
    """Of the checkout; empty outside of one."""
    hash: str
    """Of looks and claims: equal for equal declarations."""
    looks: tuple[int, ...]
    claims: Mapping[str, Mapping[str, Any]]
    """Name -> the claim's fields."""
    runs_seen: Mapping[str, tuple[int, int]]
    """Name -> how many of the claim's runs had an outcome by then, and of how many."""


def plain_claims(claims: Claims) -> dict[str, dict[str, Any]]:
    """Every field of every claim that decides what is asked, as JSON keeps it.

    The topic of a claim only says where it is told of: a study whose claims get another one, or
    their first, still asks the same.
    """
    found: dict[str, dict[str, Any]] = json.loads(
        json.dumps({name: asdict(claim) for name, claim in claims.items()})
    )
    for fields in found.values():
        del fields["about"]
        if fields["best"] is None:  # claims of before 27 November 2026 asked the same without it
            del fields["best"]
    return found


def declared_line(plain: Mapping[str, Any]) -> DeclaredLine:
    """The line that ``asdict`` made plain."""
    return DeclaredLine(
        time=plain["time"],
        commit=plain["commit"],
        hash=plain["hash"],
        looks=tuple(plain["looks"]),
        claims=plain["claims"],
        runs_seen={name: (seen, of) for name, (seen, of) in plain["runs_seen"].items()},
    )


def marks(claims: Claims, declared: Sequence[DeclaredLine]) -> dict[str, list[str]]:
    """When each claim was declared, and each change of it since, in words.

    Args:
        claims: of the study now.
        declared: its declarations, first to last.

    Returns:
        Name -> its marks, the first of them on when it was declared.
    """
    return {name: list(_marks(name, claim, declared)) for name, claim in claims.items()}


def _marks(name: str, claim: Claim, declared: Sequence[DeclaredLine]) -> Iterator[str]:
    lines = [line for line in declared if name in line.claims]
    if not lines:
        yield "not declared: the study was not launched with it"
        return
    first = lines[0]
    seen, of = first.runs_seen.get(name, (0, 0))
    yield (
        f"added after {seen} of {of} of its runs had been seen"
        if seen
        else ("declared before its runs")
    )
    changed: set[str] = set()
    for before, after in pairwise(lines):
        for field in _changes(before.claims[name], after.claims[name]):
            yield _change(
                field,
                before.claims[name].get(field),
                after.claims[name].get(field),
                after.runs_seen.get(name, (0, 0)),
                is_first=field not in changed,
            )
            changed.add(field)
    for field in _changes(lines[-1].claims[name], plain_claims({name: claim})[name]):
        yield f"{field} is another than the one declared"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Fields that differ; one that only a later version of the program has is none."""
    return [field for field in after if field in before and before[field] != after[field]]


def _change(
    field: str, before: Any, after: Any, runs_seen: tuple[int, int], *, is_first: bool
) -> str:
    seen, of = runs_seen
    when = f"after {seen} of {of} runs" if seen else "before its runs"
    texts = [_text(before), _text(after)]
    is_prose = any(isinstance(value, str) and len(value.split()) != 1 for value in (before, after))
    if is_prose or any(len(text) > SHORT for text in texts):
        return f"{field.replace('_', ' ')} changed {when}"
    then = "when declared" if is_first else "then"
    return f"{field.replace('_', ' ')} was {texts[0]} {then}, changed to {texts[1]} {when}"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return str(value)


def study_marks(
    claims: Claims, looks: Sequence[int], declared: Sequence[DeclaredLine]
) -> list[str]:
    """Changes of the study as a whole: its looks, and claims that are no longer asked.

    Args:
        claims: of the study now.
        looks: of the study now.
        declared: its declarations, first to last.

    Returns:
        A sentence without its full stop for each.
    """
    found = []
    history = [*(line.looks for line in declared), tuple(looks)] if declared else []
    for i, (before, after) in enumerate(pairwise(history)):
        if before != after:
            line = declared[min(i + 1, len(declared) - 1)]
            seen = max((s for s, _ in line.runs_seen.values()), default=0)
            when = f"after {seen} runs of a claim had been seen" if seen else "before any run"
            found.append(f"looks were {_looks(before)}, changed to {_looks(after)} {when}")
    gone = dict.fromkeys(n for line in declared for n in line.claims if n not in claims)
    found += [f"the claim {name} was declared and is no longer asked" for name in gone]
    return found


def _looks(looks: Sequence[int]) -> str:
    return ", ".join(map(str, looks)) or "not declared"
