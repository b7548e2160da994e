"""Runs of others, from a table: words that are no surer than what the table says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vgglab.config.parse import ConfigError
from vgglab.report import foreign
from vgglab.study.claims.verdict import Verdict
from vgglab.study.foreign.arm import ForeignArm
from vgglab.study.foreign.asked import Asked, judge_table
from vgglab.study.foreign.files import read_table

LOSSES = """arm,error
PR #122,3.2798 3.2798 3.2829 3.2785 3.2783 3.2787 3.2787 3.2784 3.2821 3.2794 3.2786 3.2765 3.2794 \
3.2776 3.2778 3.2774 3.2777
PR #123,3.277 3.2772 3.2778 3.2767 3.2805 3.2781 3.2797 3.2802 3.2774 3.2767 3.2769 3.2783
"""
"""Validation losses of a public speed-run log: KellerJordan/modded-nanogpt,
records/track_1_short/2025-09-11_VectSigmoidBFloat16/README.md, which gives the runs of both."""
SECONDS = """arm,error
PR #122,157.977 157.889 158.014 158.103 158.093 158.001 158.089 157.981 158.019 157.963 158.043 \
157.957 157.880 157.687 158.002 157.947 158.097
PR #123,155.902 155.956 156.043 155.987 155.980 155.717 156.019 156.077 156.064 156.100 156.129 \
155.799
"""
"""Of the same runs."""


def written(folder: Path, text: str) -> Path:
    """A CSV; where several values stand in a line, a line each."""
    lines = []
    for line in text.replace("\\\n", "").splitlines():
        arm, _, values = line.partition(",")
        lines += [f"{arm},{value}" for value in values.split(" ") if value] or [line]
    path = folder / "runs.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def only(asked: list[Asked]) -> Verdict:
    (one,) = asked
    return one.judgement.verdict


def test_a_public_table_gets_the_word_that_it_bears(tmp_path: Path) -> None:
    losses, seconds = (read_table(written(tmp_path, text)) for text in (LOSSES, SECONDS))
    assert [len(arm.errors) for arm in losses] == [17, 12]
    assert only(judge_table(losses, (), "lower", 0.0)) is Verdict.INCONCLUSIVE
    old_new = ("PR #122", "PR #123")
    assert only(judge_table(losses, old_new, "no_better", 0.001)) is Verdict.SUPPORTED
    assert only(judge_table(losses, ("PR #123", "PR #122"), "equal", 0.005)) is Verdict.SUPPORTED
    assert only(judge_table(seconds, (), "lower", 1.5)) is Verdict.SUPPORTED
    assert only(judge_table(seconds, old_new, "lower", 0.0)) is Verdict.CONTRADICTED


def test_small_differences_are_shown(tmp_path: Path) -> None:
    arms = read_table(written(tmp_path, LOSSES))
    said = foreign.lines(arms, judge_table(arms, (), "lower", 0.0))
    assert said[1].split() == ["PR", "#122", "3.27892", "3.27809", "to", "3.27975", "17", "unknown"]
    assert any("-0.00088" in line for line in said)
    assert "PR #123 has the lower error: a word would take some 41 seeds an arm" in said


TABLE = """arm,seed,accuracy,images,note
base,0,94.0,10000,x
base,1,94.2,10000,
base,2,93.9,10000,
mine,7,94.6%,10000,
mine,8,94.5,10000,
mine,9,,10000,
one,0,99.0,10000,
"""


def test_what_is_not_known_is_said_and_makes_words_weaker(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.write_text(TABLE)
    arms = read_table(path)
    assert [arm.name for arm in arms] == ["base", "mine", "one"]
    assert arms[1].untrained == (9,)
    assert arms[0].errors == pytest.approx({0: 6.0, 1: 5.8, 2: 6.1})
    asked = judge_table(arms, (), "lower", 0.0)
    assert [one.arms for one in asked] == [("mine", "base"), ("one", "base")]
    assert "one seed" in asked[1].judgement.reason
    said = "\n".join(foreign.lines(arms, asked))
    assert "no runs\nare paired" in said
    assert "as if each arm had\nimages of its own" in said
    assert "1 run without an error" in said
    assert "a word would take" in said
    assert max(map(len, said.splitlines())) <= 80
    # The images' luck, of 10,000 at some 6 % each, is in the interval: without them it is narrower.
    path.write_text(TABLE.replace(",10000,", ",,"))
    bare = judge_table(read_table(path), (), "lower", 0.0)
    widths = []
    for found in (asked, bare):
        effect = found[0].judgement.evidence.effect
        assert effect is not None
        assert effect.interval is not None
        widths.append(effect.interval[1] - effect.interval[0])
    assert widths[0] > 2 * 1.96 * np.sqrt(2 * 5.7 * 94.3 / 10_000) > widths[1] / 3


@pytest.mark.slow
def test_equal_arms_get_a_word_in_at_most_five_percent_of_tables() -> None:
    random = np.random.default_rng(20261127)
    false = 0
    tables = 400
    for _ in range(tables):
        arms = [
            ForeignArm(name, dict(enumerate(random.normal(6.0, 0.3, size=4))), (), {})
            for name in ("base", "x", "y")
        ]
        asked = judge_table(arms, (), "lower", 0.0)
        false += any(one.judgement.is_settled for one in asked)
    assert false <= 0.05 * tables + 2 * np.sqrt(tables * 0.05 * 0.95)


def test_a_difference_is_seen() -> None:
    arms = [
        ForeignArm("base", {0: 6.0, 1: 6.2, 2: 5.9, 3: 6.1}, (), dict.fromkeys(range(4), 50_000)),
        ForeignArm("better", {0: 4.0, 1: 4.2, 2: 3.9, 3: 4.1}, (), dict.fromkeys(range(4), 50_000)),
    ]
    assert only(judge_table(arms, (), "lower", 1.0)) is Verdict.SUPPORTED
    assert only(judge_table(arms, ("base", "better"), "no_better", 0.0)) is Verdict.SUPPORTED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column arm"),
        ("arm,top1\na,3\n", "has no column error"),
        ("arm,error\n", "has no runs"),
        ("arm,error\n,3\n", "line 2: arm is empty"),
        ("arm,error\na,x\n", "line 2: error = x: must be a number"),
        ("arm,error,images\na,101,50\n", "line 2: error = 101: must be percent"),
        ("arm,accuracy\na,-1\n", "line 2: accuracy = -1: must be percent"),
        ("arm,error,images\na,1,many\n", "line 2: images = many: must be a whole number"),
        ("arm,seed,error\na,0,3\na,0,4\n", "line 3: seed = 0: a has it twice"),
        ("arm,seed,error\na,,3\n", "line 2: seed is empty"),
    ],
)
def test_what_is_no_such_table_is_said_in_a_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_table(path)


@pytest.mark.parametrize(
    ("compare", "direction", "message"),
    [
        (("base", "gone"), "lower", "judge.compare: gone: must be 'base' or 'x'"),
        (("base",), "lower", "judge: compare: lower needs two or more sides, not 1"),
        (("base", "x"), "equal", "judge: margin = 0.0: equal needs a margin above 0"),
        (("base", "x"), "falls", "judge: compare: falls needs three or more sides"),
    ],
)
def test_what_cannot_be_asked(compare: tuple[str, ...], direction: str, message: str) -> None:
    arms = [ForeignArm(name, {0: 1.0, 1: 2.0}, (), {}) for name in ("base", "x")]
    with pytest.raises(ConfigError, match=message):
        judge_table(arms, compare, direction, 0.0)
