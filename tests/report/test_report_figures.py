from __future__ import annotations

import dataclasses
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest
from report_runs import make_study

from vgglab.report.blocks import Figure
from vgglab.report.error_vs_depth import depth_figure
from vgglab.report.learning_curves import curves_figure, floor_of, lifted
from vgglab.report.style import THEMED, inline_svg
from vgglab.report.wording import ArmNames
from vgglab.study import Arm, Curve, StudyView, Summary, learning_curves, summarise


def summary(model: str, layers: int, errors: Mapping[int, float], asked: int = 3) -> Summary:
    arm = Arm(model, "batch", "he")
    states = {"finished": len(errors), "diverged": asked - len(errors)}
    return Summary(arm, "center", layers, tuple(range(asked)), states, errors, {})


def texts(svg: str) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(svg).iter() if e.tag.endswith("}text")]


@pytest.fixture(scope="module")
def depth(whole_study: StudyView) -> Figure:
    figure = depth_figure("depth", summarise(whole_study))
    assert figure is not None
    return figure


def test_depth_figure_labels_units_nets_and_lacking_seeds(depth: Figure) -> None:
    found = texts(depth.svg)
    nets = ("A", "A-LRN", "B", "C", "D", "E")
    for text in ("top-1 test error, %", "weight layers", "11", "13", "16", "19", *nets):
        assert text in found
    assert found.count("2/3") == 2  # D and E
    assert "set side by side" in depth.caption


def test_a_line_goes_from_depth_to_depth_and_repeats_no_number_of_the_axis() -> None:
    """By their names 11 comes before 9, so that the line went back from the deepest net to 9."""
    nets = [summary(f"plain-{n}", n, {0: 20.0 + n, 1: 21.0 + n}) for n in (11, 25, 9)]
    figure = depth_figure("depth", nets)
    assert figure is not None
    lines = re.findall(r'<path d="(M [^"]*?)" clip-path', figure.svg)
    (line,) = [path for path in lines if path.count("L ") == 2]
    across = [float(place) for place in re.findall(r"[ML] ([\d.]+) ", line)]
    assert across == sorted(across)
    assert not any("plain" in text for text in texts(figure.svg))


def test_the_papers_curve_has_a_panel_with_a_scale_of_its_own(whole_study: StudyView) -> None:
    figure = depth_figure("depth", summarise(whole_study), with_paper=True)
    assert figure is not None
    found = texts(figure.svg)
    assert {"here", "the paper", "27.0", "29.5"} <= set(found)  # its errors are of 27.0 to 29.6
    assert [found.count(net) for net in "ABCDE"] == [2] * 5
    assert found.count("weight layers") == 2
    assert "on a scale of its own" in figure.caption
    assert "ImageNet" in figure.caption


def test_the_title_of_a_panel_stands_above_the_letters_of_its_nets() -> None:
    """A study of nets on the line alone has one row of letters, and the paper's panel has two."""
    nets = [summary(n, d, {0: 20.0, 1: 21.0}, asked=2) for n, d in (("a", 11), ("b", 13))]
    figure = depth_figure("depth", nets, with_paper=True)
    assert figure is not None
    canvas = figure.draw()
    canvas.canvas.draw()
    for axes in canvas.axes:
        title = axes.title.get_window_extent()
        assert title.y0 >= max(text.get_window_extent().y1 for text in axes.texts)


def test_depth_figure_needs_two_nets(tmp_path: Path) -> None:
    assert depth_figure("depth", summarise(make_study(tmp_path, models=("a", "a_lrn")))) is None
    assert depth_figure("depth", [summary("a", 11, {0: 5.0}), summary("b", 13, {})]) is None


@pytest.mark.parametrize(("seeds", "cut"), [({0: 5.0, 1: 6.0}, True), ({0: 5.0}, False)])
def test_an_interval_of_two_seeds_does_not_set_the_scale(
    seeds: Mapping[int, float], cut: bool
) -> None:
    figure = depth_figure("depth", [summary("a", 11, seeds), summary("b", 13, {0: 4.0})])
    assert figure is not None
    assert ("go on beyond it" in figure.caption) is cut
    assert not {"10", "12"} & set(texts(figure.svg))


def test_a_norm_without_a_colour_of_its_own_is_drawn_and_named() -> None:
    norms = ("batch", "layer")
    summaries = [
        dataclasses.replace(summary(model, layers, {0: 5.0, 1: 5.5, 2: 6.0}), arm=arm)
        for model, layers in (("a", 11), ("b", 13))
        for arm in (Arm(model, norm, "he") for norm in norms)
    ]
    curve = Curve(0, True, {1.0: 10.0}, {1.0: 12.0})
    drawn = (
        depth_figure("depth", summaries),
        curves_figure("curves", {s.arm: [curve] for s in summaries}),
    )
    for figure in drawn:
        assert figure is not None
        assert any("layer norm" in text for text in texts(figure.svg))
    assert ArmNames(s.arm for s in summaries)(summaries[1].arm) == "A with layer norm"


def test_curves_have_a_panel_for_each_net(whole_study: StudyView) -> None:
    figure = curves_figure("curves", learning_curves(whole_study))
    assert figure is not None
    found = texts(figure.svg)
    for text in ("A", "A-LRN", "B-5x5", "E", "epoch", "train", "validation", "stopped early"):
        assert text in found
    assert curves_figure("curves", {}) is None


def test_an_error_of_zero_fits_the_log_scale() -> None:
    curve = Curve(0, True, {1.0: 10.0, 2.0: 0.0}, {1.0: 12.0, 2.0: 4.0})
    curves = {Arm("a", "none", "he"): [curve]}
    assert floor_of(curves) == 2.0
    assert lifted(curve.train, 2.0) == ([1.0, 2.0], [10.0, 2.0])
    figure = curves_figure("curves", curves)
    assert figure is not None
    assert "zero is drawn at the lower edge" in figure.caption
    assert "stopped early" not in texts(figure.svg)


@pytest.mark.parametrize("error", [88.6, 60.0, 0.07, 20.0, 99.0])
def test_curves_of_one_epoch_can_be_read(error: float) -> None:
    curve = Curve(0, True, {1.0: error}, {1.0: error * 1.01})
    figure = curves_figure("curves", {Arm("a", "none", "he"): [curve]})
    assert figure is not None
    axes, *_ = figure.draw().axes
    low, high = axes.get_ylim()
    assert sum(low <= tick <= high for tick in axes.get_yticks()) >= 2
    assert {"0", "1", "2"} <= set(texts(figure.svg))
    marks = [line.get_marker() for line in axes.lines if line.get_marker() not in ("None", "")]
    assert len(marks) == len(set(marks)) == 2


def test_files_carry_no_date_and_the_page_its_own_colours(depth: Figure) -> None:
    assert "<dc:date>" not in depth.svg
    inline = inline_svg(depth.svg, depth.name)
    assert [colour for colour in THEMED if colour in inline] == []
    assert "var(--orange)" in inline
    assert inline.startswith("<svg")
    ids = [e.get("id") for e in ET.fromstring(inline.replace("xlink:href", "href")).iter()]
    assert [i for i in ids if i and not i.startswith("depth-")] == []


def test_pictures_are_wide_enough_for_print(depth: Figure) -> None:
    assert depth.png.startswith(b"\x89PNG")
    assert int.from_bytes(depth.png[16:20]) >= 900  # the width in the PNG's header, px
