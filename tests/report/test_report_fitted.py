"""The best place in the report: figure, section, sentence, screen, and W&B's rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from study_points import missing, net, run, view

from vgglab.config.claims import parse_claims
from vgglab.report import write_report
from vgglab.report.blocks import Figure, Table
from vgglab.report.error_vs_depth import depth_figure
from vgglab.report.fitted import curve_text, fit_sentence, fits_section
from vgglab.report.found import topics
from vgglab.report.screen import screen_lines
from vgglab.report.verdicts import CLAIM_COLUMNS, claim_rows, reason, verdict_section
from vgglab.report.wording import ArmNames
from vgglab.runs import RunDirectory
from vgglab.study import StudyView, arms, claims_record, summarise
from vgglab.study.fits import fits_record

LAYERS = {"a": 11, "b": 13, "d": 16, "e": 19}


def study(*errors: float, best: Any = None, **fields: Any) -> StudyView:
    points = [
        point
        for (model, layers), error in zip(LAYERS.items(), errors, strict=True)
        for point in net(model, error, layers=layers)
    ]
    points += [p for w, e in ((0.5, 9.0), (1.0, 8.0)) for p in net("a", e, layers=11, width=w)]
    sides = [{"model.name": model} for model in LAYERS]
    tree = {
        "statement": "16 weight layers are best",
        "about": "depth",
        "direction": "best_at",
        "compare": sides,
        "best": best or {"at": 16},
        **({"margin_reason": "a step between depths"} if "margin" in fields else {}),
        **fields,
    }
    return view(*points, claims=parse_claims({"best_depth": tree}))


BENT = study(14.0, 12.0, 11.0, 12.0)


def test_the_sentence_and_the_verdict() -> None:
    record = claims_record(BENT)
    assert topics(record["claims"]) == [
        (
            "Depth",
            "Of 11, 13, 16, 19 weight layers the least error is at 16; the best is 16: that the "
            "best is 16 is supported.",
        )
    ]
    table = repr(verdict_section(record))
    assert "the best of A, B, D, E: 16 (16)" in table
    wide = claims_record(study(14.0, 12.0, 12.0, 12.0, margin=3.0))["claims"]
    assert "margin 3 weight layers: a step between depths" in reason(wide[0])
    assert "only at_or_beyond could be shown" in reason(wide[0])
    (told,) = topics(wide)
    assert "the best is at or beyond 13: that the best is 13 to 19 is not settled" in told[1]


def test_beyond_an_end() -> None:
    for errors, best, clause in (
        ((16.0, 14.0, 12.0, 11.0), {"at_or_beyond": 19}, "that the best is at or beyond 19 is sup"),
        ((11.0, 12.0, 14.0, 16.0), {"at_or_below": 11}, "that the best is at or below 11 is sup"),
    ):
        ((_, told),) = topics(claims_record(study(*errors, best=best))["claims"])
        assert clause in told


def test_the_screen_and_wandbs_rows_have_places() -> None:
    record = claims_record(BENT)
    assert any("at 16" in line and "supported" in line for line in screen_lines(BENT, record))
    row = dict(zip(CLAIM_COLUMNS, claim_rows(record)[0], strict=True))
    assert [row[name] for name in ("difference", "mean", "low", "high")] == [
        "the best of A, B, D, E",
        16.0,
        16.0,
        16.0,
    ]


def test_the_figure_of_depth_has_the_curve_and_the_best() -> None:
    fits = fits_record(BENT)
    summaries = [s for s in summarise(BENT) if s.arm.variant == summarise(BENT)[0].arm.variant]
    plain, fitted = depth_figure("x", summaries), depth_figure("x", summaries, fits)
    assert plain is not None
    assert fitted is not None
    assert fit_sentence(fits[0]).removeprefix("of ") in fitted.caption
    assert "may have the least error" not in plain.caption
    assert len(fitted.svg) > len(plain.svg)


def test_every_order_has_a_row_and_other_factors_a_figure() -> None:
    section = fits_section(fits_record(BENT), ArmNames(arms(BENT).values()))
    assert section is not None
    text = repr(section.blocks)
    assert "model.width" in text
    assert "at or beyond 1'" in text  # the widest is best
    assert "too few places" in text  # for a parabola through three widths
    (figure,) = [block for block in section.blocks if block.kind == "figure"]
    assert figure.kind == "figure"
    assert "0.25" in figure.svg  # type: ignore[union-attr]
    assert fits_section([], ArmNames([])) is None


@pytest.mark.parametrize(
    ("lowest", "ends", "text"),
    [
        (15.83, [14.2, 17.91], "15.8 (14.2 to 17.9)"),
        (19.0, [16.04, 19.0], "19 (at or beyond 16)"),
        (11.0, [11.0, 12.5], "11 (at or below 12.5)"),
        (12.0, [11.0, 19.0], "12 (anywhere from 11 to 19, or beyond)"),
    ],
)
def test_where_a_curve_is_lowest(lowest: float, ends: list[float], text: str) -> None:
    band = [0.0, 0.0]
    found = curve_text(
        {
            "places": [11.0, 19.0],
            "errors": band,
            "low": band,
            "high": band,
            "lowest": lowest,
            "ends": ends,
        }
    )
    assert found == text


def test_the_page_and_claims_json_have_it(tmp_path: Path) -> None:
    write_report(BENT, tmp_path)
    record = json.loads((tmp_path / "claims.json").read_text("utf-8"))
    assert record["claims"][0]["best"]["text"] == "16"
    assert [(fit["factor"], fit["best"]) for fit in record["fits"]] == [
        ("weight layers", 16.0),
        ("model.width", 1.0),
    ]
    page = (tmp_path / "report.md").read_text("utf-8")
    assert "## Where the error is least" in page
    assert (tmp_path / "figures" / "error_along_1.png").exists()


def test_a_claim_on_training_without_outcomes_ends_with_no_empty_list() -> None:
    sides = [{"model.name": "a"}, {"model.name": "b"}]
    tree = {"statement": "both train", "direction": "trains", "compare": sides}
    waiting = view(missing("a", 0), missing("b", 0), claims=parse_claims({"both": tree}))
    (claim,) = claims_record(waiting)["claims"]
    assert "did not train" not in reason(claim)


def test_orders_along_one_field_are_told_apart() -> None:
    points = [
        run("a_lrn", seed, error + seed / 10, width=width, init=init, learning_rate=rate)
        for init in ("he", "glorot")
        for rate in (0.01, 0.1)
        for width, error in ((0.125, 9.0), (0.25, 8.0), (0.5, 7.0))
        for seed in range(2)
    ]
    points = [
        replace(point, directory=RunDirectory(Path(f"runs/{place}")))
        for place, point in enumerate(points)
    ]
    study = view(*points)
    section = fits_section(fits_record(study), ArmNames(arms(study).values()))
    assert section is not None
    table, _, *figures = section.blocks
    assert isinstance(table, Table)
    where = [row[0].text for row in table.cells]
    assert where == [
        f"model.width, A-LRN, batch norm, {init} initialisation, recipe.learning_rate={rate}, "
        "protocol center"
        for init in ("glorot", "he")
        for rate in (0.01, 0.1)
    ]
    captions = [figure.caption for figure in figures if isinstance(figure, Figure)]
    assert [caption.partition(". ")[0] for caption in captions] == [
        text.removeprefix("model.width, ") for text in where
    ]
