"""What differs between runs and between studies, and which arms of two studies are the same."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from paper_numbers import write_tested_run
from scipy import stats
from study_points import NOISE, config, missing, net, run, view

from vgglab.config import role_of
from vgglab.config.claims import parse_claims
from vgglab.runs import RunDirectory, RunRecord, State, Status, load_run
from vgglab.runs.records import ProtocolErrors
from vgglab.study import StudyView
from vgglab.study.claims.mistakes import Mistakes, MistakesReader
from vgglab.study.differences.image_by_image import disagreement, swap_test
from vgglab.study.differences.matched_arms import matched_arms
from vgglab.study.differences.parting import gap
from vgglab.study.differences.settings import VERSIONS, field_changes, record_changes
from vgglab.study.differences.shifts import Word
from vgglab.study.differences.two_runs import TwoRuns, compare_runs
from vgglab.study.differences.two_studies import TwoStudies, compare_studies

BETTER = parse_claims(
    {
        "mine": {
            "statement": "B beats A",
            "direction": "lower",
            "compare": [{"model.name": "b"}, {"model.name": "a"}],
        }
    }
)


def elsewhere(runs: list[RunRecord], folder: str = "new", by: float = 0.0) -> list[RunRecord]:
    """The same runs trained again in another folder, their errors so many points higher."""
    found = []
    for one in runs:
        errors = one.result["errors"]["center"]
        higher: ProtocolErrors = {**errors, "top1_error": errors["top1_error"] + by}
        directory = RunDirectory(Path(folder) / one.id)
        found.append(replace(one, directory=directory, result={"errors": {"center": higher}}))
    return found


def study(*points: Any, **fields: Any) -> StudyView:
    return replace(view(*points, claims=BETTER), **fields)


def compared(then: StudyView, now: StudyView, data: str = "") -> TwoStudies:
    return compare_studies(then, now, lambda _: data)


# Fields and records.


def test_fields_that_decide_the_numbers_come_first() -> None:
    one = config("a", 0, learning_rate=0.05)
    other = replace(
        config("b", 1, learning_rate=0.1),
        trainer=replace(one.trainer, precision="fp32", threads=2),
        study=replace(one.study, name="another"),
    )
    found = [(c.role, c.field, c.first, c.second) for c in field_changes([one], [other])]
    assert found == [
        ("scientific", "seed", (0,), (1,)),
        ("scientific", "model.name", ("a",), ("b",)),
        ("nuisance", "recipe.learning_rate", (0.05,), (0.1,)),
        ("fixed", "trainer.precision", ("bf16",), ("fp32",)),
        ("infrastructure", "trainer.threads", (0,), (2,)),
    ]


def test_a_field_of_one_data_set_alone_is_none_of_the_other() -> None:
    digits = config("a", 0)
    folder = config("a", 0, data={"name": "folder", "image_size": 32, "root": "x"}, scale_min=40,
                    scale_max=40)  # fmt: skip
    found = {c.field: c for c in field_changes([digits], [folder])}
    assert found["data.name"].second == ("folder",)
    assert found["data.root"].first == ()


@pytest.mark.parametrize(
    ("field", "role"),
    [
        ("seed", "scientific"),
        ("tracking.mode", "infrastructure"),
        ("devices", "division"),
        ("data.name", "scientific"),
    ],
)
def test_every_field_has_a_role_or_its_groups(field: str, role: str) -> None:
    assert role_of(config("a", 0), field) == role


def test_versions_that_differ_are_listed_and_lacking_ones_are_empty() -> None:
    old, new = (
        replace(run("a", 0, 9.0), status=Status(state=State.FINISHED, versions=versions))
        for versions in ({"torch": "2.1", "numpy": "2"}, {"torch": "2.2", "numpy": "2", "x": "1"})
    )
    found = [(c.name, c.first, c.second) for c in record_changes([old], [new], [VERSIONS])]
    assert found == [("torch", ("2.1",), ("2.2",)), ("x", (), ("1",))]


# Curves.


def test_curves_part_where_they_are_first_unequal() -> None:
    found = gap("loss", {1: 2.0, 2: 1.0, 3: 0.5, 4: 0.1}, {1: 2.0, 2: 1.5, 3: 0.4, 5: 0.0})
    assert found
    assert (found.points, found.parts_at, found.last_at) == (3, 2, 3)
    assert (found.largest, found.largest_at) == (0.5, 2)
    assert found.last == pytest.approx(-0.1)
    assert gap("loss", {1: 2.0}, {2: 2.0}) is None
    same = gap("loss", {1: 2.0}, {1: 2.0})
    assert same
    assert same.parts_at is None


def test_a_value_that_is_not_finite_parts_and_has_no_distance() -> None:
    found = gap("loss", {1: 2.0, 2: 1.0}, {1: 2.0, 2: None})
    assert found
    assert (found.parts_at, found.last, found.last_at) == (2, 0.0, 1)


# Images.


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 0), (9, 4), (40, 61), (1, 1)])
def test_with_an_original_an_image_the_test_is_mcnemars(first: int, second: int) -> None:
    worse_o = np.array([1] * first + [-1] * second + [0] * 7)
    exact = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert swap_test(worse_o) == pytest.approx(exact, abs=1e-12)


def test_with_images_of_one_original_the_test_is_every_swap_counted() -> None:
    worse_o = np.array([3, -1, 2, 2, 0, -1, 1])
    sums = [sum(s * w for s, w in zip(signs, worse_o, strict=True))
            for signs in itertools.product((1, -1), repeat=len(worse_o))]  # fmt: skip
    exact = np.mean(np.abs(sums) >= abs(worse_o.sum()))
    assert swap_test(worse_o) == pytest.approx(exact)


def answers(wrong_n: list[int], original_n: list[int]) -> Mistakes:
    index_n = np.arange(len(wrong_n))
    return Mistakes(index_n, np.array(original_n), 0 * index_n, np.array(wrong_n, dtype=bool))


def test_images_are_counted_by_who_is_right_and_weighed_by_original() -> None:
    originals = [0, 0, 1, 1, 2, 3]
    found = disagreement(
        answers([1, 1, 0, 0, 1, 0], originals), answers([0, 0, 0, 1, 1, 0], originals)
    )
    assert (found.both_right, found.only_first, found.only_second, found.both_wrong) == (2, 1, 2, 1)
    assert (found.images, found.originals) == (6, 4)
    assert found.difference == pytest.approx(-100 / 6)
    assert found.p_value == 1.0  # of balances -2 and +1 every swap is as far from zero, or further


def test_luck_on_originals_is_found_at_its_level() -> None:
    """Also where ten images of one original are right or wrong together."""
    random = np.random.default_rng(0)
    original_n = np.repeat(np.arange(40), 10)
    found = []
    for _ in range(400):
        one, other = (np.repeat(random.random(40) < 0.3, 10) for _ in range(2))
        index_n = np.arange(400)
        pair = [Mistakes(index_n, original_n, 0 * index_n, wrong_n) for wrong_n in (one, other)]
        found.append(disagreement(*pair).p_value <= 0.05)
    assert sum(found) <= stats.binom.ppf(0.99, 400, 0.05)


# Two runs.


def written(folder: Path, wrong: NDArray[np.bool_], seed: int, **fields: Any) -> RunRecord:
    write_tested_run(folder, config("a", seed, **fields), {"center": wrong}, np.arange(len(wrong)))
    return load_run(folder)


def of_runs(first: RunRecord, second: RunRecord, *data: str) -> TwoRuns:
    return compare_runs((first, second), (data[0], data[-1]), MistakesReader())


def test_two_runs_are_compared_image_by_image(tmp_path: Path) -> None:
    wrong = np.arange(200) < 40
    first = written(tmp_path / "one", wrong, 0)
    found = of_runs(first, written(tmp_path / "other", np.roll(wrong, 20), seed=1), "x")
    (error,) = found.errors
    assert error.images
    assert (error.difference, error.images.only_first, error.images.only_second) == (0.0, 20, 20)
    assert not error.is_more_than_luck
    better = of_runs(first, written(tmp_path / "better", np.arange(200) < 5, seed=1), "x")
    assert better.errors[0].is_more_than_luck
    assert [change.field for change in better.fields] == ["seed"]


def test_runs_of_other_images_are_not_paired(tmp_path: Path) -> None:
    wrong = np.arange(200) < 40
    one, other = written(tmp_path / "one", wrong, 0), written(tmp_path / "other", wrong, seed=1)
    fewer = written(tmp_path / "fewer", wrong[:150], seed=2)
    for found, why in (
        (of_runs(one, other, "x", "y"), "other data fingerprints"),
        (of_runs(one, fewer, "x"), "other images or labels"),
        (of_runs(one, run("a", 3, 20.0), ""), "no predictions are kept"),
    ):
        (error,) = found.errors
        assert (error.images, error.unpaired, error.p_holm) == (None, why, None)
        assert error.difference is not None


# Two studies.


def test_arms_match_across_a_field_that_is_one_value_in_each_study() -> None:
    then = view(*(run("a", s, 9.0, width=0.25) for s in (0, 1)), run("b", 0, 8.0, width=0.25))
    now = view(run("a", 0, 9.0, width=0.5), run("d", 0, 8.0, width=0.5))
    both, only_then, only_now = matched_arms(then, now)
    assert [arm.arm.model for arm in both] == ["a"]
    assert (only_then[0].model, only_now[0].model) == ("b", "d")
    (width,) = compared(then, now).fields
    assert (width.field, width.first, width.second) == ("model.width", (0.25,), (0.5,))
    assert width.where == ("a, batch, he",)


def test_a_field_that_one_study_varies_tells_arms_apart_in_both() -> None:
    then = view(run("a", 0, 9.0, width=0.25), run("a", 0, 9.0, width=0.5))
    both, only_then, only_now = matched_arms(then, view(run("a", 0, 9.0, width=0.25)))
    assert [arm.arm.variant for arm in both] == ["model.width=0.25"]
    assert [arm.variant for arm in only_then] == ["model.width=0.5"]
    assert only_now == []


def test_a_shift_is_paired_by_seed_and_told_from_noise() -> None:
    a, b = net("a", 9.0), net("b", 8.0)
    found = compared(study(*a, *b), study(*elsewhere(a), *elsewhere(b, by=1.0)))
    still, shifted = found.arms
    assert (still.error.word, still.error.difference) == (Word.NOISE, 0.0)
    assert (shifted.error.word, shifted.error.pairs) == (Word.MOVED, 5)
    assert shifted.error.difference == pytest.approx(1.0)
    (claim,) = found.claims
    assert claim.shift.word is Word.MOVED
    assert claim.shift.difference == pytest.approx(1.0)
    assert claim.has_another_word
    assert (claim.then["verdict"], claim.now["verdict"]) == ("supported", "inconclusive")
    assert found.has_moved


def test_other_seeds_are_compared_as_two_samples() -> None:
    a = net("a", 9.0)
    later = [run("a", 10 + seed, 9.5 + NOISE[seed], root=Path("new")) for seed in range(5)]
    for one in later:
        one.result["errors"]["center"]["images"] = 10_000_000
    (arm,) = compared(view(*a), view(*later)).arms
    assert (arm.error.pairs, arm.error.word) == (0, Word.MOVED)
    reference = stats.ttest_ind([9.5 + n for n in NOISE], [9.0 + n for n in NOISE], equal_var=False)
    assert arm.error.p_value == pytest.approx(reference.pvalue, rel=0.05)


def test_runs_that_both_have_are_no_evidence() -> None:
    a, b = net("a", 9.0), net("b", 8.0, seeds=3)
    found = compared(study(*a, *b), study(*a, *elsewhere(b, by=2.0)))
    shared, trained_again = found.arms
    assert (shared.error.word, shared.shared, found.shared) == (Word.SHARED, 5, 5)
    assert shared.error.p_value is None
    assert trained_again.error.word is Word.MOVED
    assert found.claims[0].shift.word is Word.MOVED  # B was trained again
    without_two = *a, *b, missing("b", 3), missing("b", 4)  # as of a net that a look has dropped
    whole = compared(study(*without_two), study(*without_two))
    assert {shift.word for shift in whole.shifts} == {Word.SHARED}
    assert not whole.has_moved


def test_of_runs_that_are_shared_in_part_the_others_are_compared() -> None:
    a = net("a", 9.0)
    again = elsewhere(a, by=1.0)
    (arm,) = compared(view(*a), view(*a[:2], *again[2:])).arms
    assert (arm.shared, arm.error.pairs) == (2, 3)
    assert arm.error.difference == pytest.approx(1.0)


def test_one_seed_is_not_written() -> None:
    a = net("a", 9.0, seeds=1)
    (arm,) = compared(view(*a), view(*elsewhere(a, by=30.0))).arms
    assert (arm.error.word, arm.error.why) == (Word.OPEN, "one seed")
    assert arm.error.difference == pytest.approx(30.0)


def test_runs_that_no_longer_train_are_told() -> None:
    then = [run("a", seed, 9.0 + NOISE[seed % 5]) for seed in range(8)]
    now = [run("a", s, None, state=State.DIVERGED, root=Path("new")) for s in range(8)]
    (arm,) = compared(view(*then), view(*now)).arms
    assert (arm.error.word, arm.error.why) == (Word.OPEN, "no run that trained")
    assert arm.training
    assert (arm.seeds, arm.training.word) == ((8, 0), Word.MOVED)


def test_a_claim_that_asks_otherwise_now_is_not_written() -> None:
    a, b = net("a", 9.0), net("b", 8.0)
    now = study(*elsewhere(a), *elsewhere(b))
    (claim,) = now.claims.values()
    now = replace(now, claims={"mine": replace(claim, margin=0.5, margin_reason="x")})
    found = compared(study(*a, *b), now)
    assert (found.claims[0].shift.word, found.claims[0].shift.why) == (Word.OPEN, "asked otherwise")
    alone = compared(study(*a, *b), replace(now, claims={}))
    assert alone.claims_alone == (["mine"], [])


def test_points_without_a_run_are_counted_and_not_compared() -> None:
    a = net("a", 9.0)
    found = compared(view(*a), view(*elsewhere(a[:3]), missing("a", 3), missing("a", 4)))
    assert (found.runs, found.points) == ((5, 3), (5, 5))
    assert found.arms[0].error.pairs == 3


def test_studies_of_other_data_are_not_set_side_by_side_image_by_image(tmp_path: Path) -> None:
    wrong = np.arange(200) < 40
    old, new = (
        view(*(written(tmp_path / f / f"a-s{s}", np.roll(wrong, s), seed=s) for s in range(3)))
        for f in ("old", "new")
    )
    same = compared(old, new)
    other = compare_studies(old, new, lambda run: run.directory.path.parent.name)
    assert (same.same_images, other.same_images) == (True, False)
    assert same.arms[0].error.interval == (0.0, 0.0)  # run for run, image for image
    assert other.arms[0].error.interval
    assert other.arms[0].error.interval[1] > 1.0
