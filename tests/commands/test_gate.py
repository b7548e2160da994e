"""``task=judge baseline=... candidate=...``: a word, an exit code, and a line in the ledger."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from judged_runs import write_predictions
from report_runs import config_of, write_run
from running import completed

from vgglab.commands.judge import judge
from vgglab.config.parse import ConfigError, parse
from vgglab.runs.atomic import write_json
from vgglab.runs.lines import read_lines
from vgglab.study.claims.inference import ALPHA
from vgglab.study.gate import share_of

WRONG = {"a": 120, "b": 60, "c": 119}
"""Net -> wrong images of 400 under seed 0; another is wrong on 2 more for each."""
LEDGER = Path("studies/judge.jsonl")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``runs/`` with seeds 0, 1 and 2 of three nets; not to be changed."""
    root = tmp_path_factory.mktemp("gate")
    for net, wrong in WRONG.items():
        for seed in range(3):
            folder = root / "runs" / f"{net}-{seed}"
            write_run(folder, config_of(net, seed))
            write_predictions(folder, wrong + (2 * seed if net != "c" else -7 * seed % 5))
    write_run(root / "runs" / "e-2", config_of("e", 2), "diverged")
    for seed in range(3):  # f is b without batch norm
        folder = root / "runs" / f"f-{seed}"
        write_run(folder, config_of("b", seed, "none"), "finished" if seed else "diverged")
        if seed:
            write_predictions(folder, 60 + 2 * seed)
    return root / "runs"


@pytest.fixture
def here(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a command is typed; the runs are elsewhere."""
    monkeypatch.chdir(tmp_path)
    return runs


class Gate:
    """Asks as the command does."""

    def __init__(self, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._runs, self._capsys = runs, capsys

    def told(self, baseline: str, candidate: str, form: str, **fields: Any) -> tuple[int, str]:
        """Exit code and output; sides are such as ``a012``: net a with seeds 0, 1, 2."""
        tree = {
            "task": {"name": "judge"},
            "paths": {"runs": str(self._runs)},
            "format": form,
            "judge": fields,
            "baseline": [f"{baseline[0]}-{seed}" for seed in baseline[1:]],
            "candidate": [f"{candidate[0]}-{seed}" for seed in candidate[1:]],
        }
        code = 0
        try:
            judge(parse(tree))
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, self._capsys.readouterr().out

    def __call__(self, baseline: str, candidate: str, **fields: Any) -> tuple[int, dict[str, Any]]:
        code, out = self.told(baseline, candidate, "json", **fields)
        (line,) = out.splitlines()
        return code, json.loads(line)


@pytest.fixture
def gate(here: Path, capsys: pytest.CaptureFixture[str]) -> Gate:
    return Gate(here, capsys)


def test_each_word_has_its_exit_code_and_its_line(gate: Gate) -> None:
    code, kept = gate("a012", "b012")
    assert (code, kept["word"]) == (0, "keep")
    assert kept["difference"] == pytest.approx(-15.0)
    low, high = kept["interval"]
    assert low < kept["interval_95"][0] < -15 < kept["interval_95"][1] < high < 0
    code, worse = gate("b012", "a012")
    assert (code, worse["word"], worse["difference"]) == (3, "reject", pytest.approx(15.0))
    code, alike = gate("a012", "c012")
    assert (code, alike["word"]) == (4, "undecided")
    assert alike["more_seeds"] is None or alike["more_seeds"] > 0
    # Who swaps two arms asks about the same pair.
    assert [(line["question"], line["look"]) for line in read_lines(LEDGER)] == [
        (1, 1),
        (1, 2),
        (2, 1),
    ]
    assert kept["level"] == pytest.approx(0.8 * ALPHA * share_of(1))
    assert alike["level"] == pytest.approx(0.8 * ALPHA * share_of(2))


def test_the_same_question_is_answered_from_the_ledger(gate: Gate) -> None:
    _, first = gate("a012", "c012")
    before = LEDGER.read_bytes()
    assert gate("a201", "c012") == (4, first | {"repeated": True})
    assert LEDGER.read_bytes() == before
    # With other runs it is another look at the same question.
    _, fewer = gate("a01", "c01")
    assert (fewer["question"], fewer["look"]) == (1, 2)


def test_a_word_stands_when_runs_are_added(gate: Gate) -> None:
    assert gate("a01", "b01")[1]["word"] == "keep"
    code, found = gate("a012", "b012")
    assert (code, found["repeated"], found["seeds"]) == (0, True, [2, 2])
    assert len(read_lines(LEDGER)) == 1
    # But not on other runs, and one seed has none.
    assert gate("a01", "b2")[1]["word"] == "undecided"
    assert [line["question"] for line in read_lines(LEDGER)] == [1, 1]


def test_one_seed_is_undecided_and_takes_its_question(gate: Gate) -> None:
    code, found = gate("a012", "b0")
    assert (code, found["word"], found["look"], found["level"]) == (4, "undecided", 0, 0)
    assert found["reason"].startswith("one seed of the candidate")
    assert gate("a012", "c012")[1]["question"] == 2
    _, later = gate("a012", "b012")
    assert (later["question"], later["look"], later["word"]) == (1, 1, "keep")
    assert gate("a012", "e2")[1]["reason"] == "no run of the candidate trained"


def test_a_candidate_that_does_not_always_train_is_not_kept(gate: Gate) -> None:
    code, found = gate("a012", "f012")
    assert (code, found["word"], found["untrained"]) == (4, "undecided", [0, 1])
    assert found["interval"][1] < 0
    assert found["reason"].startswith("1 of 3 runs of the candidate did not train")


def test_a_gain_below_the_margin_is_rejected(gate: Gate) -> None:
    code, found = gate("a012", "b012", margin=30.0)
    assert (code, found["word"], found["margin"]) == (3, "reject", 30.0)
    assert found["interval"][0] > -30


def test_two_lines_for_a_reader(gate: Gate) -> None:
    code, out = gate.told("a012", "b012", "table")
    first, second = out.splitlines()
    assert code == 0
    assert first.startswith("keep: candidate less baseline -15.00 points [")
    assert first.endswith("], 3 and 3 seeds")
    assert second.startswith("question 1, look 1: at its level of 1% the interval is [")
    assert "a word would take " in gate.told("a012", "c012", "table")[1]


@pytest.mark.slow
def test_the_whole_command(runs: Path, tmp_path: Path) -> None:
    words = ("task=judge", f"paths.runs={runs}", "format=json", "baseline=[a-0,a-1,a-2]")
    better = completed(
        tmp_path, *words, "candidate=[b-0,b-1,b-2]", "claims=few", "judge.claim=b_beats_a"
    )
    assert (better.returncode, better.stderr) == (0, "")
    assert json.loads(better.stdout)["word"] == "keep"
    alike = completed(tmp_path, *words, "candidate=[c-0,c-1,c-2]")
    assert (alike.returncode, json.loads(alike.stdout)["word"]) == (4, "undecided")
    other = completed(tmp_path, *words, "candidate=c-0", "judge.claim=lrn")
    assert (other.returncode, other.stdout) == (2, "")
    assert other.stderr.startswith("error: judge.claim = lrn: must be a claim 'lower' of two sides")
    assert len(read_lines(tmp_path / LEDGER)) == 2


def test_asks_at_once_get_places_of_their_own(here: Path, tmp_path: Path) -> None:
    tree = {"task": {"name": "judge"}, "paths": {"runs": str(here)}, "format": "json"}
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    configs = [
        parse(tree | {"baseline": [f"{x}-0", f"{x}-1"], "candidate": [f"{y}-0", f"{y}-1"]})
        for x, y in pairs
    ]

    def asking(place: int) -> None:
        with contextlib.suppress(SystemExit):
            judge(configs[place])

    threads = [threading.Thread(target=asking, args=(i % 3,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line["question"] for line in read_lines(tmp_path / LEDGER)) == [1, 2, 3]


@pytest.mark.parametrize(
    ("baseline", "candidate", "message"),
    [
        ("a012", "a012", "baseline, candidate: a-0 is on both sides"),
        ("a012", "d0", "candidate = d-0: no such run; task=runs lists those that are there"),
        ("a012", "b", "candidate: missing; task=judge baseline=[ID,...] candidate=[ID,...]"),
    ],
)
def test_a_mistake_spends_nothing(gate: Gate, baseline: str, candidate: str, message: str) -> None:
    with pytest.raises(ConfigError) as told:
        gate(baseline, candidate)
    assert str(told.value).startswith(message)
    assert not LEDGER.exists()


def noted(runs: Path, to: Path, data: dict[str, str]) -> Path:
    """Copies of runs of which each says the fingerprint of its data."""
    for name, fingerprint in data.items():
        shutil.copytree(runs / name, to / name)
        path = to / name / "status.json"
        status = json.loads(path.read_text(encoding="utf-8"))
        write_json(path, status | {"data_fingerprint": fingerprint})
    return to


@pytest.mark.parametrize(
    ("data", "other"),
    [
        ({"a-0": "x", "a-1": "x", "b-0": "y", "b-1": "y"}, "a-0 and b-0"),
        ({"a-0": "x", "a-1": "y", "b-0": "x", "b-1": "y"}, "a-0 and a-1"),
        ({"a-0": "", "a-1": "x", "b-0": "x", "b-1": "y"}, "a-1 and b-1"),
    ],
)
def test_runs_on_other_images_are_not_compared(
    here: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    data: dict[str, str],
    other: str,
) -> None:
    gate = Gate(noted(here, tmp_path / "noted", data), capsys)
    with pytest.raises(ConfigError) as told:
        gate("a01", "b01")
    assert str(told.value) == (
        f"baseline, candidate: {other} have other data (fingerprints x and y); their errors "
        "cannot be compared"
    )
    assert not LEDGER.exists()


def test_runs_on_the_same_images_are_compared(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"a-0": "", "a-1": "x", "b-0": "x", "b-1": "x"}
    assert Gate(noted(here, tmp_path / "noted", data), capsys)("a01", "b01")[0] == 0


def test_old_runs_that_their_ids_alone_tell_apart_are_not_compared(
    runs: Path, here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of before a run noted its data: its id is made of it, and nothing else here differs."""
    for seed in range(3):
        shutil.copytree(runs / f"a-{seed}", tmp_path / "old" / f"a-{seed}")
        shutil.copytree(runs / f"a-{seed}", tmp_path / "old" / f"z-{seed}")
    gate = Gate(tmp_path / "old", capsys)
    with pytest.raises(ConfigError) as told:
        gate("a012", "z012")
    assert str(told.value) == (
        "baseline, candidate: a-0 and z-0 have one config and one seed, and yet other ids: their "
        "data are others, or they are of other versions; their errors cannot be compared"
    )
    assert not LEDGER.exists()
    assert gate("a01", "z2")[1]["word"] == "undecided"  # other seeds: it cannot be told


def test_another_file_is_no_ledger(gate: Gate) -> None:
    Path("x.jsonl").write_text('{"look": 1}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^judge\.ledger = x\.jsonl: is no ledger"):
        gate("a012", "b012", ledger="x.jsonl")


def with_parents(runs: Path, to: Path, data: dict[str, str]) -> Path:
    """Copies of runs, each with a parent that says the fingerprint of its data."""
    for name, fingerprint in data.items():
        noted(runs, to, {name: "x"})
        path = to / name / "status.json"
        status = json.loads(path.read_text(encoding="utf-8"))
        write_json(path, status | {"parent": f"of-{name}"})
        shutil.copytree(to / name, to / f"of-{name}")
        write_json(to / f"of-{name}" / "status.json", status | {"data_fingerprint": fingerprint})
    return to


@pytest.mark.parametrize(
    ("data", "is_refused"),
    [
        ({"a-0": "y", "a-1": "z", "b-0": "y", "b-1": "y"}, True),
        ({"a-0": "y", "a-1": "", "b-0": "y", "b-1": "y"}, False),  # it cannot be told
        ({"a-0": "y", "a-1": "y", "b-0": "z", "b-1": "z"}, False),  # may be what is asked
    ],
)
def test_the_runs_of_an_arm_start_from_runs_on_the_same_data(
    here: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    data: dict[str, str],
    is_refused: bool,
) -> None:
    gate = Gate(with_parents(here, tmp_path / "noted", data), capsys)
    if not is_refused:
        assert gate("a01", "b01")[0] == 0
        return
    with pytest.raises(ConfigError) as told:
        gate("a01", "b01")
    assert str(told.value) == (
        "baseline: a-0 and a-1 start from runs on other data (fingerprints y and z); they must "
        "differ in their seeds alone"
    )
    assert not LEDGER.exists()
