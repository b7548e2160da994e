"""``task=judge``: the words of a study anew, and whether they are those that were printed; or of
two arms, whether a change is kept."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from vgglab.config import Config
from vgglab.config.parse import ConfigError
from vgglab.evidence import BrokenBundle, Recomputed, digest_of, unpack
from vgglab.evidence.words import printed_words, words_given
from vgglab.report import foreign
from vgglab.report.gate import lines as gate_lines
from vgglab.report.wording import plural
from vgglab.study.foreign.asked import judge_table
from vgglab.study.gate import Word
from vgglab.workflow import foreign_gate, gate
from vgglab.workflow.foreign_table import arms_of_table
from vgglab.workflow.output import Row, print_rows
from vgglab.workflow.stored_study import recomputed_study, with_runs

EXIT_CODES = {Word.KEEP: 0, Word.UNDECIDED: 4, Word.REJECT: 3}
"""Of the gate, the best word first; 1 and 2 are what they are everywhere, a failure and a mistake
of the user's."""
MOST_TOLD = 5
"""Places that a sentence names."""


def judge(config: Config) -> None:
    """Print each word as printed and as recomputed, of a bundle or of a study's folder; with
    ``baseline`` and ``candidate``, the gate's word on the candidate; with ``table``, words on
    others' runs, or the gate's on its arms.

    Raises:
        ConfigError: there is no such bundle, study or run, or this version cannot read it.
        SystemExit: the bundle was changed, or a word, number or error is another; the gate's word
            is not to keep.
    """
    if config.table:
        _judge_table(config)
        return
    if config.baseline or config.candidate:
        _pass(config)
        return
    try:
        document, found = _of_bundle(config) if config.bundle else ({}, recomputed_study(config))
    except BrokenBundle as error:
        print(f"error: {error}", file=sys.stderr)
        if config.format == "json":
            print_rows([], "json", document={"same": False, "broken": str(error)})
        raise SystemExit(1) from error
    rows: list[Row] = [
        {
            "claim": word.claim,
            "printed": word.printed or "not there",
            "recomputed": word.recomputed or "not there",
            "same": "same" if word.is_same else "ANOTHER",
        }
        for word in found.words
    ]

    def tables() -> Iterable[RenderableType]:
        yield _table(rows)
        yield from _sentences(found)
        if document:
            yield f"sha256 {document['sha256']}"

    print_rows(rows, config.format, document=_document(found) | document, tables=tables)
    if not found.is_same:
        raise SystemExit(1)


def _judge_table(config: Config) -> None:
    """Others' runs."""
    if config.bundle:
        raise ConfigError("table, bundle: a table or a bundle is judged; name one")
    wanted = config.judge
    arms, left_out = arms_of_table(config)
    if config.baseline or config.candidate:
        answers = [line | {"left_out": left_out} for line in foreign_gate.ask(config, arms)]
        _say(answers, config, left_out)
        return
    asked = judge_table(arms, wanted.compare, wanted.direction, wanted.margin)
    if config.format == "table":
        print("\n".join(foreign.lines(arms, asked, left_out)))
    else:
        document = foreign.document(arms, asked, left_out)
        print_rows(foreign.rows(asked), config.format, document=document)


def _pass(config: Config) -> None:
    """The gate."""
    if config.bundle:
        raise ConfigError("bundle, baseline: a bundle is checked, or runs are compared; name one")
    _say([gate.ask(config)], config)


def _say(answers: Sequence[Row], config: Config, left_out: str = "") -> None:
    """Print the gate's answers, JSON a line each, and leave with the code of the best word."""
    if config.format == "json":
        for line in answers:
            print_rows([line], "json", document=line)
    else:
        said = chain(chain.from_iterable(map(gate_lines, answers)), [left_out] if left_out else [])
        print_rows(answers, config.format, tables=lambda: said)
    words = {Word(line["word"]) for line in answers}
    if code := next(code for word, code in EXIT_CODES.items() if word in words):
        raise SystemExit(code)


def _of_bundle(config: Config) -> tuple[dict[str, Any], Recomputed]:
    """What is said of a bundle besides, and its words anew."""
    path = Path(config.bundle).expanduser()
    if not path.is_file():
        raise ConfigError(f"bundle = {config.bundle}: there is no such file")
    with tempfile.TemporaryDirectory(prefix="vgglab-judge-") as scratch:
        certificate = unpack(path, Path(scratch))
        study = Path(scratch) / "studies" / certificate["study"]
        found = with_runs(study, Path(scratch) / "runs")
        if certificate["words"] != [word for word in printed_words(found) if word["word"]]:
            raise BrokenBundle(f"{path}: certificate.json: its words are not those of claims.json")
    document = {
        "bundle": config.bundle,
        "sha256": digest_of(path),
        "written_by": certificate["written_by"],
    }
    return document, found


def _document(found: Recomputed) -> dict[str, Any]:
    return {
        "study": found.view.name,
        "same": found.is_same,
        "words": [
            {
                "claim": word.claim,
                "printed": word.printed or None,
                "recomputed": word.recomputed or None,
                "same": word.is_same,
            }
            for word in found.words
        ],
        "numbers": found.numbers,
        "other_numbers": list(found.other_numbers),
        "tests": found.tests,
        "untested": found.untested,
        "other_errors": list(found.other_errors),
    }


def _table(rows: Iterable[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("claim", "printed", "recomputed", ""):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    return table


def _sentences(found: Recomputed) -> Iterable[str]:
    others = [word for word in found.words if not word.is_same]
    if found.is_same:
        yield (
            f"The same as printed: {words_given(found.words)} and {found.numbers} numbers, "
            f"recomputed from the predictions of {plural(found.tests, 'test')}."
        )
    else:
        given = sum(word.is_given or not word.is_same for word in found.words)
        yield (
            f"{len(others)} of {plural(given, 'word')} and {len(found.other_numbers)} of "
            f"{found.numbers} numbers are others than were printed, recomputed from the "
            f"predictions of {plural(found.tests, 'test')}."
        )
    if found.untested:
        yield (
            f"{plural(found.untested, 'test')} kept no predictions: their errors were taken from "
            "result.json."
        )
    for what, places in (("numbers", found.other_numbers), ("errors", found.other_errors)):
        if places:
            more = f" and {len(places) - MOST_TOLD} more" if len(places) > MOST_TOLD else ""
            yield f"other {what}: {'; '.join(places[:MOST_TOLD])}{more}"
