from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from report_runs import CLAIMS
from running import SMALL, Command

from vgglab.config.claims import Claim, parse_claims
from vgglab.config.parse import ConfigError
from vgglab.report.paper_numbers import published

CLAIM: dict[str, Any] = {
    "statement": "D beats C",
    "direction": "lower",
    "compare": [{"model.name": "d"}, {"model.name": "c"}],
}


def papers() -> dict[str, Claim]:
    return parse_claims(yaml.safe_load(CLAIMS.read_text(encoding="utf-8")))


def refusal(**changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_claims({"mine": CLAIM | changes})
    return str(caught.value)


def test_the_papers_claims_are_all_there() -> None:
    claims = papers()
    assert list(claims) == [
        "lrn", "depth", "c_beats_b", "d_beats_c", "saturation", "filters", "scale_jitter",
        "multi_scale", "multi_crop", "both", "batch_norm", "batch_norm_trains",
    ]  # fmt: skip
    ours = [name for name, claim in claims.items() if claim.origin == "ours"]
    assert ours == ["batch_norm", "batch_norm_trains"]
    assert all(claim.paper.section for claim in claims.values() if claim.origin == "paper")


def test_every_claim_has_its_topic() -> None:
    topics: dict[str, list[str]] = {}
    for name, claim in papers().items():
        topics.setdefault(claim.about, []).append(name)
    assert topics == {
        "lrn": ["lrn"],
        "depth": ["depth", "c_beats_b", "d_beats_c", "saturation"],
        "filters": ["filters"],
        "scale": ["scale_jitter"],
        "testing": ["multi_scale", "multi_crop", "both"],
        "norm": ["batch_norm", "batch_norm_trains"],
    }
    assert refusal(about="colour").startswith(
        "claims.mine.about = 'colour': must be 'depth', 'lrn'"
    )


def test_the_papers_figures_are_those_of_its_table() -> None:
    table = published().nets
    for name in ("lrn", "depth", "c_beats_b", "d_beats_c", "saturation"):
        claim = papers()[name]
        nets = [side["model.name"] for side in claim.compare]
        assert claim.paper.errors == tuple(table[net].top1_error for net in nets)


BEST: dict[str, Any] = {
    "direction": "best_at",
    "compare": [{"model.name": model} for model in "abd"],
    "best": {"at": 16},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compare": [{"model.nam": "d"}, {"model.name": "c"}]}, "did you mean model.name?"),
        ({"compare": [{"model.name": "z"}, {"model.name": "c"}]}, "model.name = z: must be 'a'"),
        ({"compare": [{"recipe.epochs": "x"}, {"model.name": "c"}]}, "must be a valid integer"),
        ({"compare": [{"model": "d"}, {"model.name": "c"}]}, "model: must be a field of"),
        ({"compare": [{"seed": 1}, {"seed": 2}]}, "seed: must be a field of"),
        ({"compare": [{"model.lrn": 1}, {"model.name": "c"}]}, "is a group of fields"),
        ({"compare": [{}, {"model.name": "c"}]}, "a side must name a field"),
        ({"compare": [{"protocol": "dens"}, {"protocol": "both"}]}, "protocol = dens: must be one"),
        ({"compare": [{"recipe.epochs": {"over": 3}}, {"norm.name": "none"}]}, "above, below, eq"),
        ({"compare": [{"recipe.epochs": {"above": "recipe.epoch"}}, {}]}, "mean recipe.epochs?"),
        ({"compare": [{"model.name": "d"}]}, "lower needs two or more sides, not 1"),
        ({"metric": "top3_error"}, "metric = 'top3_error'"),
        ({"protocol": ["sparse"]}, "claims.mine.protocol.0 = 'sparse'"),
        ({"direction": "higher"}, "direction = 'higher'"),
        ({"direction": "equal"}, "equal needs a margin above 0"),
        ({"direction": "falls"}, "falls needs three or more sides"),
        ({"direction": "best_at", "best": {"at": 16}}, "best_at needs three or more sides"),
        ({**BEST, "best": None}, "best: missing; best_at needs one of at, at_or_below, at_or_b"),
        ({**BEST, "best": {"at": 16, "at_or_below": 16}}, "must have one of at, at_or_below"),
        ({**BEST, "best": {"beyond": 16}}, "claims.mine.best.beyond"),
        ({**BEST, "margin_share": 5.0}, "best_at has a margin in units of the order"),
        ({"best": {"at": 16}}, "best: lower has none; only best_at says where it is"),
        ({"margin": 0.5}, "a margin of 0.5 needs one"),
        ({"margn": 0.5}, "margn: no such field of a claim"),
        ({"paper": {"errors": [1.0]}}, "paper.errors: must be 2"),
        ({"average_over": ["model.depth"]}, "model.depth: no such field"),
    ],
)  # fmt: skip
def test_what_no_run_could_answer_is_refused(changes: dict[str, Any], message: str) -> None:
    found = refusal(**changes)
    assert message in found
    assert found.startswith("claims.mine")
    assert "\n" not in found


@pytest.mark.slow
def test_a_study_with_a_wrong_claim_does_not_start(command: Command, tmp_path: Path) -> None:
    ended = command(
        *SMALL, "-m", "sweeps=lrn", "claims.lrn.compare=[{model.name: a_lrm},{model.name: a}]"
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: claims.lrn: model.name = a_lrm: must be")
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_a_claim_that_is_null_is_not_asked() -> None:
    claims = {"kept": CLAIM, "left": None}
    assert [*parse_claims(claims)] == ["kept"]
