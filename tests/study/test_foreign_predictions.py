"""Predictions of others' runs: arms are compared image by image, as a study's are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from judged_runs import IMAGES, write_judged_study

import vgglab
from vgglab.config.parse import ConfigError
from vgglab.report import foreign
from vgglab.study.claims.contrast import Measured
from vgglab.study.claims.inference import ALPHA
from vgglab.study.claims.mistakes import Mistakes
from vgglab.study.claims.spending import spending
from vgglab.study.foreign.arm import ForeignArm, share_images
from vgglab.study.foreign.asked import Asked, judge_table
from vgglab.study.foreign.files import read_table

Values = dict[str, list[Any]]


def table(runs: dict[tuple[str, int], Any], images: int = 6) -> pd.DataFrame:
    """Runs, each with the images that it gets wrong."""
    rows: Values = {name: [] for name in ("arm", "seed", "image", "label", "prediction")}
    for (arm, seed), wrong in runs.items():
        for image in range(images):
            label = image % 3
            cells = (arm, seed, f"{image}.png", label, label + (1 if image in wrong else 0))
            for name, cell in zip(rows, cells, strict=True):
                rows[name].append(cell)
    return pd.DataFrame(rows)


RUNS = {("base", 0): (0, 1), ("base", 1): (0, 1, 2), ("mine", 0): (0,), ("mine", 5): ()}


def effect_of(asked: list[Asked]) -> Measured:
    (one,) = asked
    effect = one.judgement.evidence.effect
    assert effect is not None
    return effect


def test_predictions_of_a_study_say_what_the_study_says(tmp_path: Path) -> None:
    folder = write_judged_study(tmp_path)
    study = vgglab.load(folder)
    parts = []
    for run in study.runs.to_dict("records"):
        frame = study.predictions[run["run"], "center"]
        parts.append(frame.assign(arm=run["model"], seed=run["seed"]))
    frame = pd.concat(parts).rename(columns={"index": "image", "predicted": "prediction"})
    path = tmp_path / "predictions.parquet"
    frame.to_parquet(path)
    arms = read_table(path)
    found = effect_of(judge_table(arms, (), "lower", 0.0))
    (claim,) = (c for c in study.claims.to_dict("records") if c["claim"] == "deeper")
    assert found.mean == pytest.approx(claim["difference"])
    assert found.images == IMAGES
    tail = spending(()).tail(ALPHA / 2, 1)  # the study keeps a part of its 5% for later looks
    assert found.interval_of(tail, tail) == pytest.approx((claim["low"], claim["high"]))
    assert found.paired


def test_csv_and_parquet_are_one(tmp_path: Path) -> None:
    frame = table(RUNS)
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_parquet(tmp_path / "x.parquet")
    named = frame.astype({"label": str, "prediction": str}).astype("category")
    named.to_parquet(tmp_path / "named.parquet")
    for name in ("x.csv", "x.parquet", "named.parquet"):
        base, mine = read_table(tmp_path / name)
        assert base.errors == pytest.approx({0: 100 / 3, 1: 50})
        assert mine.errors == pytest.approx({0: 100 / 6, 5: 0})
        assert mine.mistakes[0].wrong_n.tolist() == [True, *[False] * 5]
        assert (base.images, share_images([base, mine])) == (6, True)
    ids = [arm.run_ids for arm in read_table(tmp_path / "x.csv")]
    assert ids == [arm.run_ids for arm in read_table(tmp_path / "named.parquet")]
    assert len({run for of in ids for run in of}) == 4


def test_runs_may_stand_in_parquet_too(tmp_path: Path) -> None:
    runs = {"arm": ["a", "a", "b"], "error": [3.0, None, 2.5], "seed": [0, 1, 0]}
    pq.write_table(pa.table(runs), tmp_path / "runs.parquet")
    a, b = read_table(tmp_path / "runs.parquet")
    assert (a.errors, a.untrained, b.errors) == ({0: 3.0}, (1,), {0: 2.5})


def test_what_is_known_of_the_images_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    frame = table(RUNS)
    frame.to_csv(path, index=False)
    arms = read_table(path)
    said = " ".join(foreign.lines(arms, judge_table(arms, (), "lower", 0.0)))
    assert "All runs have the same test images" in said
    assert "no runs are paired by seed" in said
    # Images of one original are one draw.
    frame.assign(original=[1, 1, 1, 2, 2, 2] * 4).to_csv(path, index=False)
    few = read_table(path)
    assert np.unique(few[0].mistakes[0].original_n).tolist() == [0, 1]
    assert "one original" not in " ".join(foreign.lines(few, judge_table(few, (), "lower", 0.0)))
    frame.drop(index=3).to_csv(path, index=False)
    fewer = read_table(path)
    asked = judge_table(fewer, (), "lower", 0.0)
    assert (effect_of(asked).paired, effect_of(asked).images) == (False, 5)
    assert "Not all runs have the same test images" in " ".join(foreign.lines(fewer, asked))


def test_a_run_without_a_prediction_did_not_train(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    frame = table(RUNS)
    frame.loc[(frame["arm"] == "mine") & (frame["seed"] == 0), "prediction"] = np.nan
    frame.loc[0, "prediction"] = np.nan
    frame.loc[4, "prediction"] = np.nan
    frame.to_csv(path, index=False)
    base, mine = read_table(path)
    assert base.errors == pytest.approx({0: 50, 1: 50})  # an image without one is wrong
    assert (list(mine.errors), mine.untrained) == ([5], (0,))


@pytest.mark.slow
def test_equal_arms_get_a_word_in_at_most_five_percent_of_tables() -> None:
    """Nets have tastes, images are easy or hard: luck on 200 images is most of the noise."""
    random = np.random.default_rng(20261128)
    tables, images, false, false_without, width = 120, 200, 0, 0, 0.0
    for _ in range(tables):
        hard_i = random.normal(-1.5, 1.5, size=images)
        arms = []
        for name in ("base", "mine"):
            taste_i = random.normal(0, 1.2, size=images)
            odds_si = np.exp(hard_i + taste_i + random.normal(0, 0.1, size=(8, 1)))
            arms.append(of_mistakes(name, random.random((8, images)) < odds_si / (1 + odds_si)))
        paired, apart, without = (
            judge_table(given, (), "lower", 0.0)
            for given in (
                arms,
                [replace(arm, mistakes={}) for arm in arms],
                [replace(arm, mistakes={}, tested_on={}) for arm in arms],
            )
        )
        false += paired[0].judgement.is_settled
        false_without += without[0].judgement.is_settled
        width += width_of(paired) / width_of(apart) / tables
    limit = 0.05 * tables + 2 * np.sqrt(tables * 0.05 * 0.95)
    assert false <= limit
    assert false_without > 2 * limit  # a test of the seeds alone takes luck for an effect
    assert width < 0.9  # and images in pairs cost less than images of each arm's own


def width_of(asked: list[Asked]) -> float:
    interval = effect_of(asked).interval
    assert interval is not None
    return interval[1] - interval[0]


def of_mistakes(name: str, wrong_si: Any) -> ForeignArm:
    index = np.arange(wrong_si.shape[1])
    mistakes = {s: Mistakes(index, index, index, wrong_i) for s, wrong_i in enumerate(wrong_si)}
    errors = {s: 100 * float(wrong_i.mean()) for s, wrong_i in enumerate(wrong_si)}
    return ForeignArm(name, errors, (), dict.fromkeys(errors, len(index)), mistakes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arm,image,prediction\na,1,2\n", "has no column seed; with a row for each test image"),
        ("arm,seed,image,label,prediction\n", "has no runs"),
        ("arm,seed,image,label,prediction\n,0,1,2,2\n", "line 2: arm is empty"),
        ("arm,seed,image,label,prediction\na,0,1,2,2\na,0,,2,2\n", "line 3: image is empty"),
        (
            "arm,seed,image,label,prediction\na,0,1,2,2\na,0.5,1,2,2\n",
            "line 3: seed = 0.5: must be a whole number",
        ),
        (
            "arm,seed,image,label,prediction\na,0,1,2,2\na,0,1,2,3\n",
            "line 3: arm a, seed 0: image 1 is there twice",
        ),
        (
            "arm,seed,image,label,prediction\na,0,1,2,2\na,1,1,3,3\n",
            "line 3: image 1 has label 3 here and another above",
        ),
        (
            "arm,seed,image,label,prediction\na,0,1,2,cat\n",
            "label, prediction: one has numbers and the other has names",
        ),
    ],
)
def test_what_is_no_such_table_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as told:
        read_table(path)
    assert "\n" not in str(told.value)


def test_a_cut_file_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table(RUNS).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ConfigError, match=r"^table = .*x\.parquet: Parquet magic bytes") as told:
        read_table(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("seeds", [("1", "01"), ("1", " 1"), ("1", "\u0661")])
def test_a_seed_is_its_number_however_it_is_written(tmp_path: Path, seeds: tuple[str, str]) -> None:
    path = tmp_path / "x.csv"
    lines = [f"a,{seed},x,dog,dog" for seed in seeds]
    path.write_text("\n".join(["arm,seed,image,label,prediction", *lines]), encoding="utf-8")
    with pytest.raises(ConfigError, match="line 3: arm a, seed 1: image x is there twice"):
        read_table(path)


def test_spaces_around_a_name_are_no_part_of_it(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(
        "arm,seed,image,label,prediction\na,1,x,dog ,dog\na ,1, y,cat,\tcat\na,2,x ,dog,dog\n"
        "a,2,y,cat, \n",
        encoding="utf-8",
    )
    (arm,) = read_table(path)
    assert arm.errors == {1: 0, 2: 50}
    path.write_text("arm,seed,image,label,prediction\na,1,x,dog,dog\na,1,x ,dog,dog\n")
    with pytest.raises(ConfigError, match="image x is there twice"):
        read_table(path)
    path.write_text("arm,seed,image,label,prediction\na,1,x,dog,dog\na,1,y, ,dog\n")
    with pytest.raises(ConfigError, match="line 3: label is empty"):
        read_table(path)
