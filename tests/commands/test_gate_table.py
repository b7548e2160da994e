"""The gate on arms of a table: the words, exit codes and ledger of runs of our own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy
from running import completed

from vgglab.commands.judge import judge
from vgglab.config.parse import ConfigError, parse
from vgglab.runs.lines import read_lines
from vgglab.study.foreign.arm import ForeignArm
from vgglab.study.gate import share_of
from vgglab.workflow import foreign_gate

ERRORS = {"base": (6.0, 6.1, 5.9, 6.05), "mine": (3.0, 3.1, 3.2, 2.9), "alike": (6.02, 5.97, 6.1)}
LEDGER = Path("studies/judge.jsonl")


def write(**errors: tuple[float, ...]) -> None:
    rows = [f"{arm},{seed},{e}" for arm, found in errors.items() for seed, e in enumerate(found)]
    Path("runs.csv").write_text("\n".join(["arm,seed,error", *rows]) + "\n", encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table, in which a command is typed."""
    monkeypatch.chdir(tmp_path)
    write(**ERRORS)
    return tmp_path


def tree(baseline: str, *candidates: str, **fields: Any) -> dict[str, Any]:
    return {
        "task": {"name": "judge"},
        "table": "runs.csv",
        "format": "json",
        "baseline": baseline,
        "candidate": list(candidates),
        "judge": fields,
    }


class Gate:
    """Asks as the command does."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arms: str, **fields: Any) -> tuple[int, list[dict[str, Any]]]:
        code = 0
        try:
            judge(parse(tree(*arms, **fields)))
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]


@pytest.fixture
def gate(here: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    return Gate(capsys)


def test_each_word_has_its_exit_code_and_its_line(gate: Gate) -> None:
    code, (kept,) = gate("base", "mine")
    assert (code, kept["word"], kept["arms"]) == (0, "keep", ["base", "mine"])
    assert kept["difference"] == pytest.approx(3.05 - 6.0125)
    assert kept["level"] == pytest.approx(0.8 * 0.05 * share_of(1))
    code, (worse,) = gate("mine", "base")
    assert (code, worse["word"], worse["question"], worse["look"]) == (3, "reject", 1, 2)
    code, (alike,) = gate("base", "alike")
    assert (code, alike["word"], alike["question"]) == (4, "undecided", 2)
    write(base=ERRORS["base"], near=(5.85, 5.95, 5.9))
    code, (near,) = gate("base", "near")
    assert (code, near["word"], near["question"]) == (4, "undecided", 3)
    assert 0 < near["more_seeds"] < 30


def test_several_candidates_are_several_questions(gate: Gate) -> None:
    code, lines = gate("base", "alike", "mine")
    assert code == 0  # one is kept
    assert [(line["word"], line["question"]) for line in lines] == [("undecided", 1), ("keep", 2)]
    code, lines = gate("mine", "alike", "base")
    assert (code, [line["word"] for line in lines]) == (3, ["reject", "reject"])
    assert len(read_lines(LEDGER)) == 4


def test_rows_that_are_added_change_no_word_and_other_rows_are_another_look(gate: Gate) -> None:
    _, (first,) = gate("base", "mine")
    assert gate("base", "mine") == (0, [first | {"repeated": True}])
    write(**ERRORS | {"mine": (*ERRORS["mine"], 9.0)})
    assert gate("base", "mine") == (0, [first | {"repeated": True}])
    # A run that is another under the same seed was not asked about yet.
    write(**ERRORS | {"mine": (3.3, *ERRORS["mine"][1:])})
    _, (other,) = gate("base", "mine")
    assert (other["repeated"], other["question"], other["look"]) == (False, 1, 2)
    assert len(read_lines(LEDGER)) == 2


@pytest.mark.parametrize("added", ["mine,4,3.3,9999", "mine,4,3.3,", "mine,4,,"])
def test_a_row_of_fewer_images_changes_no_word(gate: Gate, added: str) -> None:
    rows = [f"{a},{s},{e},10000" for a in ("base", "mine") for s, e in enumerate(ERRORS[a])]
    table = "\n".join(["arm,seed,error,images", *rows]) + "\n"
    Path("runs.csv").write_text(table, encoding="utf-8")
    _, (first,) = gate("base", "mine")
    assert first["baseline"][0] == "s0-6f4eb49c9579ed3b"  # as ledgers have it
    Path("runs.csv").write_text(f"{table}{added}\n", encoding="utf-8")
    assert gate("base", "mine") == (0, [first | {"repeated": True}])
    assert len(read_lines(LEDGER)) == 1
    # The same error on other images is another run.
    Path("runs.csv").write_text(table.replace("3.0,10000", "3.0,5000"), encoding="utf-8")
    _, (other,) = gate("base", "mine")
    assert (other["repeated"], other["look"]) == (False, 2)


def test_a_run_that_did_not_train_and_one_seed_keep_nothing(gate: Gate) -> None:
    Path("runs.csv").write_text("arm,error\nbase,6\nbase,6.1\nx,3\nx,3.1\nx,\none,1\n")
    code, (failed, one) = gate("base", "x", "one", margin=0.5)
    assert (code, failed["word"], failed["untrained"]) == (4, "undecided", [0, 1])
    assert (one["word"], one["look"]) == ("undecided", 0)
    assert one["reason"].startswith("one seed of the candidate")


def test_two_lines_a_candidate_for_a_reader(here: Path) -> None:
    losses = {"a b": (3.2798, 3.2801, 3.2799), "c": (3.2701, 3.2699, 3.2702)}
    write(**losses)
    said = completed(here, "task=judge", "table=runs.csv", "baseline='a b'", "candidate=[c]")
    assert (said.returncode, said.stderr) == (0, "")
    first, second = said.stdout.splitlines()
    assert first.startswith("keep: c less a b -0.00987 [-0.0102")  # as fine as it is, in no unit
    assert second.startswith("question 1, look 1: at its level of 1% the interval is [-0.0")
    wrong = completed(here, "task=judge", "table=runs.csv", "baseline=d", "candidate=[c]")
    assert (wrong.returncode, wrong.stderr) == (2, "error: baseline = d: must be 'a b' or 'c'\n")


@pytest.mark.parametrize(
    ("arms", "fields", "message"),
    [
        (("base", "gone"), {}, "candidate = gone: must be 'base', 'mine' or 'alike'"),
        (("base", "mine", "base"), {}, "baseline, candidate: base is on both sides"),
        (("base",), {}, "baseline, candidate: of a table, baseline=ARM candidate=[ARM,...]"),
        (("base", "mine"), {"direction": "equal"}, "judge.compare, judge.direction, judge.claim:"),
        (("base", "mine"), {"claim": "x"}, "judge.compare, judge.direction, judge.claim:"),
    ],
)
def test_a_mistake_spends_nothing(
    gate: Gate, arms: tuple[str, ...], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as told:
        gate(*arms, **fields)
    assert str(told.value).startswith(message)
    assert not LEDGER.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_search_through_a_table_keeps_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """All arms are equal; a t-test of each candidate finds one that is better all the same."""
    # What a word would take is no part of it, and takes most of the time.
    monkeypatch.setattr("vgglab.study.gate.more_seeds", lambda *_: None)
    random = np.random.default_rng(20261128)
    searches, kept, naive = 20, 0, 0
    names = [f"c{i}" for i in range(15)]
    config = parse(tree("base", *names))
    for search in range(searches):
        errors = {name: random.normal(6.0, 0.3, size=4) for name in ("base", *names)}
        arms = [ForeignArm(name, dict(enumerate(e)), (), {}) for name, e in errors.items()]
        ledger = replace(config, judge=replace(config.judge, ledger=f"{search}.jsonl"))
        kept += any(line["word"] == "keep" for line in foreign_gate.ask(ledger, arms))
        naive += any(
            scipy.stats.ttest_ind(errors[name], errors["base"], alternative="less").pvalue < 0.05
            for name in names
        )
    limit = 0.05 * searches + 2 * np.sqrt(searches * 0.05 * 0.95)
    assert kept <= limit < naive
