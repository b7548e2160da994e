"""The page of a report: what it shows, in which order, and what it leaves out.

What a browser makes of it is in tests/report/test_report_browser.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from report_runs import make_study
from study_points import run, view

from vgglab.config.claims import parse_claims
from vgglab.report.blocks import Figure, Heading, Page, Table
from vgglab.report.costs import cost_figure, speed_figure
from vgglab.report.page import build_page
from vgglab.report.results import Results, results_of
from vgglab.study import Estimate, claims_record
from vgglab.study.claims.comparisons import comparisons
from vgglab.study.fits import fits_record


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Seven nets, A-LRN among them, with three seeds."""
    return results_of(make_study(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def page(results: Results) -> Page:
    """The page of these."""
    study = results.view
    return build_page(study, claims_record(study), fits_record(study), None, Path())


def figure(page: Page, name: str) -> Figure:
    (found,) = [figure for figure in page.figures if figure.name == name]
    return found


def test_the_paper_is_named_where_its_numbers_stand(page: Page) -> None:
    assert ">the paper<" in figure(page, "error_vs_depth").svg.replace("</text>", "<")
    (errors,) = [section for section in page.sections if section.anchor == "errors"]
    heading, table = errors.blocks[-2:]
    assert isinstance(heading, Heading)
    assert heading.text == "The paper's nets"
    assert isinstance(table, Table)
    assert table.rows[0][0] == "A"


def test_the_figure_of_depth_has_a_lrn(page: Page) -> None:
    svg = figure(page, "error_vs_depth").svg
    assert svg.count(">A-LRN<") == 2  # here, and of the paper


def test_errors_come_before_costs(page: Page) -> None:
    anchors = [section.anchor for section in page.sections]
    assert anchors.index("errors") < anchors.index("cost")


def test_intervals_end_at_nothing_and_all() -> None:
    points = [run("a", seed, error) for seed, error in enumerate((0.1, 40.0, 80.0))]
    (summary,) = results_of(view(*points)).summaries
    assert summary.top1 is not None
    assert summary.top1.interval == (0.0, 100.0)


def test_a_panel_in_which_the_nets_are_alike_is_left_out(results: Results) -> None:
    """885 to 886 MiB on a log scale say nothing."""
    alike = {
        arm: replace(cost, peak_memory_mib=Estimate((885.0 + i / 9,), 885.0 + i / 9, None, None))
        for i, (arm, cost) in enumerate(results.costs.items())
    }
    drawn = speed_figure("speed", results.summaries, alike)
    assert drawn is not None
    assert "peak memory, MiB" not in drawn.svg
    assert "images a second" in drawn.svg
    assert "do not differ in it by 5%: peak memory." in drawn.caption
    first, *_ = results.costs.values()
    same = {arm: replace(first, arm=arm) for arm in results.costs}
    assert cost_figure("cost", results.summaries, same) is None


def test_a_claim_whose_sides_are_the_same_tests_is_not_asked() -> None:
    """Its difference would be 0.00 (0.00 to 0.00), whatever was trained."""
    tree = {"statement": "x", "direction": "lower"}
    sides = [{"norm.name": "batch"}, {"model.name": "a"}]
    points = [run("a", seed, 5.0 + seed) for seed in (0, 1)]
    claims = parse_claims({"mine": tree | {"compare": sides}})
    found, (unanswered,) = comparisons(view(*points, claims=claims))
    assert found == []
    assert unanswered.why == "its sides are the same runs, tested in the same way"
