"""A further kind of claim is one class and one row: it is parsed, judged, planned and printed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from study_points import net, view

from vgglab.config import claims as config_claims
from vgglab.config.claims import Needs, parse_claims
from vgglab.config.parse import ConfigError
from vgglab.report.differences import forest_section
from vgglab.report.method import method_section
from vgglab.report.verdicts import verdict_section
from vgglab.study import StudyView, claims_record
from vgglab.study.claims import directions
from vgglab.study.claims.directions import NOTHING_TO_TEST, Direction, Evidence
from vgglab.study.claims.pairing import Paired
from vgglab.study.forecast import resolutions


class NoBetter(Direction):
    """The first side is not lower than the second by more than the margin."""

    rule = '"No better" is supported where the interval lies wholly above the margin.'

    def pairs(self, sides: int) -> list[tuple[int, int]]:
        return [(0, 1)]

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        found = paired.difference(0, 1)
        if found is None:
            return NOTHING_TO_TEST
        above, below = found.p_above(-margin), found.p_below(-margin)
        return Evidence(found, (found,), 2 * above, 2 * below, abs(found.mean + margin))

    def effect_label(self, sides: Sequence[str]) -> str:
        return f"what {sides[0]} gains on {sides[1]}"

    def basis(self, evidence: Evidence, margin: float) -> str:
        return (
            f"it gains more than {margin:g} points" if evidence.is_against else "it gains nothing"
        )


@pytest.fixture(autouse=True)
def no_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(config_claims.DIRECTIONS, "no_better", Needs(most=2, margin=True))
    monkeypatch.setitem(directions.DIRECTIONS, "no_better", NoBetter())


def study(e: float) -> StudyView:
    tree = {
        "statement": "E is no better than D",
        "direction": "no_better",
        "compare": [{"model.name": "e"}, {"model.name": "d"}],
        "margin": 0.5,
        "margin_reason": "because",
    }
    return view(*net("e", e), *net("d", 5.0), claims=parse_claims({"mine": tree}))


def test_its_row_says_what_it_needs() -> None:
    sides = [{"model.name": model} for model in "abc"]
    tree = {"statement": "x", "direction": "no_better", "compare": sides, "margin": 1.0}
    with pytest.raises(ConfigError, match="no_better needs two sides, not 3"):
        parse_claims({"mine": tree})
    with pytest.raises(ConfigError, match="no_better needs a margin above 0"):
        parse_claims({"mine": tree | {"compare": sides[:2], "margin": 0.0}})
    with pytest.raises(ConfigError, match="must be one of lower, equal, falls, no_better"):
        parse_claims({"mine": tree | {"direction": "better"}})


@pytest.mark.parametrize(
    ("e", "verdict", "basis"),
    [
        (5.1, "supported", "it gains nothing"),
        (4.8, "supported", "it gains nothing"),
        (3.9, "contradicted", "it gains more than 0.5 points"),
    ],
)
def test_it_is_judged(e: float, verdict: str, basis: str) -> None:
    (claim,) = claims_record(study(e))["claims"]
    assert (claim["verdict"], claim["reason"]) == (verdict, basis)


def test_it_is_planned() -> None:
    (found,) = resolutions(study(5.1))
    assert found.target == pytest.approx(0.6)
    assert found.target_is == "seen so far"


def test_it_is_printed() -> None:
    record = claims_record(study(5.1))
    table = repr(verdict_section(record))
    assert "what E gains on D: +0.10" in table
    assert "it gains nothing" in table
    section = forest_section(record)
    assert section is not None
    assert "what E gains on D" in repr(section.blocks)
    assert NoBetter.rule in repr(method_section())


def test_every_direction_has_a_class_and_a_row() -> None:
    assert list(config_claims.DIRECTIONS) == list(directions.DIRECTIONS)
