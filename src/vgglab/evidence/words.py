"""A study's words anew, from its configs and predictions, beside those that were printed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from vgglab.evidence.certificate import PrintedWord
from vgglab.runs import Result, RunRecord
from vgglab.runs.damage import DamagedFile, read_object
from vgglab.study import MissingPoint, StudyView
from vgglab.study.claims.mistakes import MistakesReader
from vgglab.study.claims.tested import TOP_K
from vgglab.study.ledger import claim_key
from vgglab.study.looking import with_looks
from vgglab.study.printed import printed_record
from vgglab.study.stored import read_study

CLOSE = {"rel_tol": 1e-3, "abs_tol": 1e-4}
"""Numbers that differ by less are the same one on another machine."""
AS_STORED = 1e-3
"""Percentage points that an error of ``result.json`` may lie from that of its predictions: less
than one image of 50,000."""
NOT_THERE = ""
NOT_ASKED, OPEN = "not asked", "open"
"""What stands in place of a word: of a claim that no points answer, and of a null arm that is not
complete."""


@dataclass(frozen=True)
class Word:
    """One word of a study."""

    claim: str
    """With its setting; of tuning and of the null arm, said so."""
    printed: str
    """Empty where it was not printed."""
    recomputed: str
    """Empty where nothing gives it."""

    @property
    def is_same(self) -> bool:
        return self.printed == self.recomputed

    @property
    def is_given(self) -> bool:
        """Whether a word was printed, and not what stands in place of one."""
        return self.printed not in (NOT_THERE, NOT_ASKED, OPEN)


@dataclass(frozen=True)
class Recomputed:
    """What a study's folder gives today, beside what its report says."""

    view: StudyView
    words: tuple[Word, ...]
    numbers: int
    """Numbers that ``claims.json`` holds, or should hold."""
    other_numbers: tuple[str, ...]
    """Those of them that are others now, by their place in the file."""
    tests: int
    """Tests of runs whose errors were counted anew from predictions."""
    untested: int
    """Tests of which no predictions were kept: the error that ``result.json`` says was taken."""
    other_errors: tuple[str, ...]
    """Errors of ``result.json`` that predictions do not give, each in a few words."""

    @property
    def is_same(self) -> bool:
        """Whether all is as printed."""
        return (
            all(word.is_same for word in self.words)
            and not self.other_numbers
            and not self.other_errors
        )


def recompute(folder: Path, runs: Path | None = None) -> Recomputed:
    """Judge a study by the claims' own code from the files of its folder and of its runs.

    Errors are counted from the predictions of each test image, not taken from ``result.json``.

    Args:
        folder: ``studies/<name>``, with ``study.json`` and ``claims.json``.
        runs: folder of its runs; None: where ``study.json`` says.

    Returns:
        All that was printed beside what was found, the same or not.

    Raises:
        DamagedFile: ``claims.json`` is not there, or not what a report writes.
        ConfigError: this version cannot read a config or a claim of it.
    """
    path = folder / "claims.json"
    printed = read_object(path)
    if printed is None:
        raise DamagedFile(path, FileNotFoundError("there is none"))
    recount = _Recount()
    view = recount.view(read_study(folder, runs))
    found = json.loads(json.dumps(printed_record(view)))
    try:
        words = tuple(_compared(words_of(printed), words_of(found)))
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(path, error) from error
    pairs = [pair for pair in _numbers(printed, found) if pair[1:] != (None, None)]
    return Recomputed(
        view=view,
        words=words,
        numbers=len(pairs),
        other_numbers=tuple(place for place, *pair in pairs if not _is_close(*pair)),
        tests=recount.tests,
        untested=recount.untested,
        other_errors=tuple(recount.others),
    )


def words_of(record: Mapping[str, Any]) -> dict[str, str]:
    """Claim with its setting -> word, of all that ``claims.json`` has a word on."""
    found = {claim_key(c["claim"], c["setting"]): c["verdict"] for c in record["claims"]}
    found |= {claim["claim"]: NOT_ASKED for claim in record["not_asked"]}
    tuning, placebo = record.get("tuning"), record.get("placebo")
    for word in (tuning or {}).get("words", ()):
        key = claim_key(word["claim"], word["setting"])
        found[f"{key} (one setting for all nets)"] = word["verdict"]
    if placebo:
        found[f"null arm of {placebo['net']}"] = placebo["word"] or OPEN
    return found


def words_given(words: Sequence[Word]) -> str:
    """``1 word (2 claims not asked)``: how many words were printed, and of what there is none."""
    given = sum(word.is_given for word in words)
    unasked = sum(word.printed == NOT_ASKED for word in words)
    still = sum(word.printed == OPEN for word in words)
    without = [f"{unasked} {'claim' if unasked == 1 else 'claims'} not asked"] if unasked else []
    without += ["the null arm open"] if still else []
    count = {0: "no word", 1: "1 word"}.get(given, f"{given} words")
    return f"{count} ({', '.join(without)})" if without else count


def printed_words(found: Recomputed) -> list[PrintedWord]:
    """The words as the certificate has them."""
    return [{"claim": word.claim, "word": word.printed} for word in found.words]


def _compared(printed: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Word]:
    for claim in dict.fromkeys([*printed, *found]):
        yield Word(claim, printed.get(claim, NOT_THERE), found.get(claim, NOT_THERE))


class _Recount:
    """Puts the errors that predictions give in place of those that ``result.json`` says."""

    def __init__(self) -> None:
        self.tests = 0
        self.untested = 0
        self.others: list[str] = []
        self._reader = MistakesReader()
        self._known: dict[str, RunRecord] = {}

    def view(self, view: StudyView) -> StudyView:
        """The study with its errors counted anew; words and looks follow from them."""
        return with_looks(
            replace(
                view,
                reader=self._reader,
                runs=[self._run(run) for run in view.runs],
                placebo=self._points(view.placebo),
                control=self._points(view.control),
            )
        )

    def _points(self, points: Sequence[RunRecord | MissingPoint]) -> list[RunRecord | MissingPoint]:
        return [self._run(p) if isinstance(p, RunRecord) else p for p in points]

    def _run(self, run: RunRecord) -> RunRecord:
        if run.id not in self._known:  # a net whose setting is the common one is its own control
            self._known[run.id] = self._counted(run)
        return self._known[run.id]

    def _counted(self, run: RunRecord) -> RunRecord:
        errors: dict[str, Any] = {}
        for label, stored in run.result.get("errors", {}).items():
            errors[label] = dict(stored)
            counted = False
            for metric, k in TOP_K.items():
                if metric not in stored:
                    continue
                mistakes = self._reader.mistakes(run, label, k)
                if mistakes is None:
                    continue
                counted = True
                # As it was written: rounded to four decimals.
                error = round(100.0 * float(mistakes.wrong_n.mean()), 4)
                said: float = stored[metric]
                if abs(error - said) > AS_STORED:
                    self.others.append(
                        f"{run.id}, {label}: result.json says {metric} {said:g}, predictions "
                        f"give {error:g}"
                    )
                errors[label] |= {metric: error, "images": len(mistakes.wrong_n)}
            self.tests += counted
            self.untested += not counted
        result: Result = {**run.result, "errors": errors} if errors else run.result
        return replace(run, result=result)


Number = float | None


def _numbers(printed: Any, found: Any, place: str = "") -> Iterator[tuple[str, Number, Number]]:
    """Every place where one of two trees has a number, with both; what has none there has None."""
    if isinstance(printed, dict) or isinstance(found, dict):
        mine, theirs = (tree if isinstance(tree, dict) else {} for tree in (printed, found))
        for key in dict.fromkeys([*mine, *theirs]):
            below = f"{place}.{key}" if place else str(key)
            yield from _numbers(mine.get(key), theirs.get(key), below)
    elif isinstance(printed, list) or isinstance(found, list):
        lists = (tree if isinstance(tree, list) else [] for tree in (printed, found))
        for index, (one, other) in enumerate(zip_longest(*lists)):
            yield from _numbers(one, other, f"{place}[{index}]")
    else:
        yield place, _number(printed), _number(found)


def _number(value: Any) -> Number:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _is_close(one: Number, other: Number) -> bool:
    return one is not None and other is not None and math.isclose(one, other, **CLOSE)
