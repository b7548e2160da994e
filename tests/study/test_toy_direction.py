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
from vgglab.study.claims.evidence import NOTHING_TO_TEST, Direction, Evidence, OneSided
from vgglab.study.claims.pairing import Paired
from vgglab.study.forecast import resolutions


class Halves(Direction):
    """The first side's error is at most half of the second's."""

    rule = '"Halves" is supported where twice the error is shown to be lower than the other.'

    def pairs(self, sides: int) -> list[tuple[int, int]]:
        return [(0, 1)]

    def evidence(self, paired: Paired, margin: float) -> Evidence:
        found = paired.contrast((2.0, -1.0))
        if found is None:
            return NOTHING_TO_TEST
        below, above = OneSided(found.p_below(-margin), 2), OneSided(found.p_above(-margin), 2)
        return Evidence(found, (found,), below, above)

    def effect_label(self, sides: Sequence[str]) -> str:
        return f"twice {sides[0]} less {sides[1]}"

    def clause(self, sides: Sequence[str], margin: float) -> str:
        return f"{sides[0]} halves the error of {sides[1]}"

    def bounds(self, margin: float) -> tuple[float, ...]:
        return (-margin,)

    def basis(self, evidence: Evidence, margin: float, *, against: bool) -> str:
        return "it is more than half" if against else "it is half or less"


@pytest.fixture(autouse=True)
def halves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(config_claims.DIRECTIONS, "halves", Needs(most=2, margin=True))
    monkeypatch.setitem(directions.DIRECTIONS, "halves", Halves())


def study(e: float) -> StudyView:
    tree = {
        "statement": "E halves the error of D",
        "direction": "halves",
        "compare": [{"model.name": "e"}, {"model.name": "d"}],
        "margin": 0.5,
        "margin_reason": "because",
    }
    return view(*net("e", e), *net("d", 5.0), claims=parse_claims({"mine": tree}))


def test_its_row_says_what_it_needs() -> None:
    sides = [{"model.name": model} for model in "abc"]
    tree = {"statement": "x", "direction": "halves", "compare": sides, "margin": 1.0}
    with pytest.raises(ConfigError, match="halves needs two sides, not 3"):
        parse_claims({"mine": tree})
    with pytest.raises(ConfigError, match="halves needs a margin above 0"):
        parse_claims({"mine": tree | {"compare": sides[:2], "margin": 0.0}})
    with pytest.raises(ConfigError, match=r"must be one of lower, .*, halves"):
        parse_claims({"mine": tree | {"direction": "better"}})


@pytest.mark.parametrize(
    ("e", "verdict", "basis"),
    [
        (2.0, "supported", "it is half or less"),
        (1.0, "supported", "it is half or less"),
        (3.0, "contradicted", "it is more than half"),
    ],
)
def test_it_is_judged(e: float, verdict: str, basis: str) -> None:
    (claim,) = claims_record(study(e))["claims"]
    assert (claim["verdict"], claim["reason"]) == (verdict, basis)


def test_it_is_planned() -> None:
    (found,) = resolutions(study(2.0))
    assert found.detectable is not None
    assert 0 < found.detectable < 1


def test_it_is_printed() -> None:
    record = claims_record(study(2.0))
    table = repr(verdict_section(record))
    assert "twice E less D: \N{MINUS SIGN}0.99" in table
    assert "it is half or less" in table
    section = forest_section(record)
    assert section is not None
    assert "twice E less D" in repr(section.blocks)
    assert Halves.rule in repr(method_section())


def test_every_direction_has_a_class_and_a_row() -> None:
    assert list(config_claims.DIRECTIONS) == list(directions.DIRECTIONS)
