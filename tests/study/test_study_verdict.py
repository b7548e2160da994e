from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from paper_numbers import paper_study
from study_points import NOISE, missing, net, run, view

from vgglab.config.claims import parse_claims
from vgglab.runs import RunRecord, State
from vgglab.study import MissingPoint, claims_record
from vgglab.study.claims.directions import trend_weights
from vgglab.study.claims.verdict import Judgement, judge


def judged(
    direction: str, models: str, *points: RunRecord | MissingPoint, **fields: Any
) -> Judgement:
    compare = [{"model.name": model} for model in models]
    tree = {"statement": "x", "direction": direction, "compare": compare} | fields
    if "margin" in fields:
        tree["margin_reason"] = "because"
    (found,), _ = judge(view(*points, claims=parse_claims({"mine": tree})))
    return found


@pytest.mark.parametrize(
    ("c", "verdict"), [(4.0, "supported"), (6.0, "contradicted"), (5.0, "inconclusive")]
)
def test_lower(c: float, verdict: str) -> None:
    assert judged("lower", "cb", *net("c", c), *net("b", 5.0)).verdict == verdict


def test_lower_by_a_margin() -> None:
    points = *net("c", 4.0), *net("b", 5.0)
    assert judged("lower", "cb", *points, margin=0.5).verdict == "supported"
    assert judged("lower", "cb", *points, margin=1.5).verdict == "contradicted"


def test_lower_than_each_other() -> None:
    """Not shown against one: not shown."""
    points = *net("c", 4.0), *net("b", 5.0)
    assert judged("lower", "cba", *points, *net("a", 6.0)).verdict == "supported"
    assert judged("lower", "cba", *points, *net("a", 4.0)).verdict == "inconclusive"
    assert judged("lower", "cba", *points, *net("a", 3.0)).verdict == "contradicted"


@pytest.mark.parametrize(
    ("e", "verdict"),
    [(5.0, "supported"), (5.7, "contradicted"), (4.3, "contradicted"), (5.5, "inconclusive")],
)
def test_equal(e: float, verdict: str) -> None:
    found = judged("equal", "ed", *net("e", e), *net("d", 5.0), margin=0.5)
    assert found.verdict == verdict


def test_a_difference_that_is_not_shown_is_not_equality() -> None:
    wide = net("e", 5.0)
    for point, noise in zip(wide, NOISE, strict=True):
        point.result["errors"]["center"]["top1_error"] = 5.0 + 40 * noise
    found = judged("equal", "ed", *wide, *net("d", 5.0), margin=0.5)
    assert found.verdict == "inconclusive"
    assert found.seeds_to_settle is not None
    assert found.seeds_to_settle > 5


@pytest.mark.parametrize(
    ("errors", "verdict"),
    [
        ((8.0, 6.0, 5.0, 5.2), "supported"),
        ((5.0, 5.2, 6.0, 8.0), "contradicted"),
        ((8.0, 6.0, 5.0, 7.0), "contradicted"),  # falls along the line, but the last step rises
        ((5.0, 5.0, 5.0, 5.0), "inconclusive"),
    ],
)
def test_falls(errors: tuple[float, ...], verdict: str) -> None:
    points = [point for model, e in zip("abde", errors, strict=True) for point in net(model, e)]
    assert judged("falls", "abde", *points, margin=0.8).verdict == verdict


def test_trend_is_the_change_along_the_fitted_line() -> None:
    errors = np.array([8.0, 6.0, 5.0, 5.2])
    slope = np.polyfit(range(4), errors, 1)[0]
    assert np.dot(trend_weights(4), errors) == pytest.approx(3 * slope)


def test_one_seed_is_inconclusive_whatever_the_difference() -> None:
    found = judged("lower", "cb", *net("c", 1.0, seeds=1), *net("b", 50.0, seeds=1))
    assert found.verdict == "inconclusive"
    assert "one seed" in found.reason
    assert found.evidence.effect is not None
    assert found.evidence.effect.interval is None


def test_nets_that_did_not_learn_count_as_guessing() -> None:
    """Two of five at 90% error: the difference is large, and so is its noise."""
    lost = [run("b", s, None, state=State.UNTRAINABLE) for s in (3, 4)]
    found = judged("lower", "cb", *net("c", 4.0), *net("b", 5.0, seeds=3), *lost)
    assert found.paired.errors_ks[1, 3:] == pytest.approx([90.0, 90.0])
    assert found.verdict == "inconclusive"
    assert found.among_trained is not None
    assert found.among_trained.mean == pytest.approx(-1.0, abs=0.1)
    assert (found.sides[1].trained, found.sides[1].runs) == (3, 5)


def test_a_net_that_never_learns_is_beaten() -> None:
    lost = [run("b", s, None, state=State.DIVERGED) for s in range(5)]
    assert judged("lower", "cb", *net("c", 4.0), *lost).verdict == "supported"


def test_two_nets_that_never_learn_are_not_shown_equal() -> None:
    lost = [run(m, s, None, state=State.DIVERGED) for m in "de" for s in range(5)]
    found = judged("equal", "ed", *lost, margin=0.5)
    assert (found.verdict, found.reason) == ("inconclusive", "no net trained")


def test_no_verdict_while_runs_are_outstanding() -> None:
    points = *net("c", 4.0), *net("b", 5.0, seeds=4)
    assert judged("lower", "cb", *points).verdict == "supported"
    found = judged("lower", "cb", *points, missing("b", 4))
    assert (found.verdict, found.reason) == ("inconclusive", "1 of its runs have no outcome yet")


def test_few_test_images_widen_the_interval() -> None:
    many = judged("lower", "cb", *net("c", 4.8), *net("b", 5.0))
    few = judged("lower", "cb", *net("c", 4.8, images=1000), *net("b", 5.0, images=1000))
    assert (many.verdict, few.verdict) == ("supported", "inconclusive")
    assert "too few test images" in few.reason


def test_claims_are_corrected_together() -> None:
    """Shown alone, but not among eight."""
    points = [*net("b", 5.0), *net("c", 4.88), *(p for m in "ade" for p in net(m, 5.0))]
    side = [{"model.name": "c"}, {"model.name": "b"}]
    tree = {"statement": "x", "direction": "lower", "compare": side}
    (alone,), _ = judge(view(*points, claims=parse_claims({"one": tree})))
    many, _ = judge(view(*points, claims=parse_claims({f"claim{i}": tree for i in range(8)})))
    assert alone.verdict == "supported"
    assert many[0].verdict == "inconclusive"
    assert many[0].p_holm == pytest.approx(8 * many[0].p_value)
    assert "shown alone" in many[0].reason


def test_the_order_of_the_runs_does_not_matter() -> None:
    tree: dict[str, Any] = {"statement": "x", "direction": "lower"}
    tree["compare"] = [{"model.name": "c"}, {"model.name": "b"}]
    study = view(*net("c", 4.8), *net("b", 5.0), claims=parse_claims({"mine": tree}))
    reversed_study = dataclasses.replace(study, runs=tuple(reversed(study.runs)))
    assert json.dumps(claims_record(study)) == json.dumps(claims_record(reversed_study))


def test_the_papers_own_numbers_give_the_papers_conclusions(tmp_path: Any) -> None:
    study = paper_study(tmp_path)
    record = claims_record(study)
    verdicts = {claim["claim"]: claim["verdict"] for claim in record["claims"]}
    assert set(verdicts.values()) == {"supported"}
    assert set(verdicts) == set(study.claims) - {"batch_norm"}
    effects = [claim["effect"] for claim in record["claims"]]
    assert all(effect and effect["paired_by_image"] for effect in effects)
