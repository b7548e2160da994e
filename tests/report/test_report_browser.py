"""The page as Chromium lays it out, wide and narrow, light and dark."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from browser import needs_chromium, opened

pytestmark = [pytest.mark.slow, needs_chromium]

PROBE = """<script>addEventListener("load", () => {
  const box = e => { const b = e.getBoundingClientRect(); return [b.left, b.right, b.height] };
  const all = s => [...document.querySelectorAll(s)];
  const style = (e, name) => getComputedStyle(e)[name];
  parent.postMessage(JSON.stringify({
    width: innerWidth, scroll: document.documentElement.scrollWidth,
    cells: all("#claims td").map(box), figures: all("figure svg").map(box),
    opening: all("#found p, #found svg").map(e => e.getBoundingClientRect())
      .map(b => [b.left, b.top, b.right, b.bottom]),
    cut: all("#claims td").map(e => e.scrollWidth > e.clientWidth),
    boxes: all(".table").map(box), whole: all("figure").map(box),
    scrolled: all(".table").map(e => { e.scrollLeft = 1e6;
      const last = e.querySelector("tbody tr:last-child > :last-child");
      return last.getBoundingClientRect().right - e.getBoundingClientRect().right }),
    sections_at: all("section").map(e => box(e).slice(0, 2)),
    sections: all("section").map(e => e.id),
    labels: all("#claims tr:first-child td + td").map(e => style(e, "display")),
    ink: style(document.body, "color"), page: style(document.body, "backgroundColor"),
    reachable: all(".table").every(e => e.tabIndex === 0),
  }), "*") })</script></body>"""
# In a frame, because Chromium has no window narrower than 500 px.
FRAME = """<!doctype html><meta name="color-scheme" content="light dark"><body>
<iframe src="probed.html" style="width: {width}px; height: 2000px; border: 0"></iframe>
<script>onmessage = event => document.body.dataset.found = event.data</script></body>"""


@pytest.fixture(scope="module")
def page(whole_report: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with a script in it that measures the layout."""
    probed = tmp_path_factory.mktemp("browser") / "probed.html"
    text = whole_report.read_text(encoding="utf-8")
    probed.write_text(text.replace("</body>", PROBE), encoding="utf-8")
    return probed


def look(page: Path, width: int, *flags: str) -> dict[str, Any]:
    """What the script found at that width, px."""
    frame = page.with_name("frame.html")
    frame.write_text(FRAME.format(width=width), encoding="utf-8")
    window = ("--hide-scrollbars", "--window-size=1500,2000")
    dom = opened(frame.as_uri(), *window, *flags)
    found = re.search(r'data-found="([^"]*)"', dom)
    assert found, dom
    measured: dict[str, Any] = json.loads(unescape(found[1]))
    assert measured["width"] == width
    return measured


def brightness(colour: str) -> int:
    return sum(map(int, re.findall(r"\d+", colour)[:3]))


def test_what_was_found_comes_first_and_then_the_verdicts(page: Path) -> None:
    assert look(page, 1400)["sections"] == [
        "found", "claims", "best", "differences", "errors", "cost", "curves", "trainability",
        "setup", "runs", "method",
    ]  # fmt: skip


def test_sentences_and_figure_stand_in_one_screen_side_by_side(page: Path) -> None:
    *sentences, (left, top, _, bottom) = look(page, 1400)["opening"]
    assert len(sentences) == 3  # depth, LRN, filters
    assert max(right for _, _, right, _ in sentences) < left
    assert abs(top - sentences[0][1]) < 20
    assert max(bottom, *(end for *_, end in sentences)) < 900
    *sentences, (_, top, _, _) = look(page, 400)["opening"]
    assert max(end for *_, end in sentences) <= top


@pytest.mark.parametrize(("width", "cell"), [(1400, "table-cell"), (400, "grid")])
def test_nothing_runs_off_the_window(page: Path, width: int, cell: str) -> None:
    found = look(page, width)
    assert found["scroll"] <= width
    assert set(found["labels"]) == {cell}  # cards where it is narrow
    for left, right, height in (*found["cells"], *found["figures"]):
        assert 0 <= left < right <= width
        assert height > 0
    assert len(found["figures"]) == 5
    assert found["reachable"]
    assert not any(found["cut"])
    # A table that is wider than the window scrolls in its own box, to its last column.
    assert all(left >= 0 and right <= width for left, right, _ in found["boxes"])
    assert max(found["scrolled"]) <= 1


def test_figures_use_the_width(page: Path) -> None:
    """With its caption beside it, a figure goes from edge to edge of the text."""
    found = look(page, 1400)
    _, *wide = found["whole"]  # the first stands beside what was found
    assert wide
    (left, right), *others = found["sections_at"]
    assert all(at == [left, right] for at in others)
    assert all(abs(a - left) < 2 and abs(b - right) < 2 for a, b, _ in wide)
    assert min(b - a for a, b, _ in found["figures"][1:]) > 0.6 * (right - left)


def test_light_and_dark(page: Path) -> None:
    light = look(page, 1400, "--blink-settings=preferredColorScheme=1")
    dark = look(page, 1400, "--blink-settings=preferredColorScheme=0")
    assert brightness(light["page"]) - brightness(light["ink"]) > 400
    assert brightness(dark["ink"]) - brightness(dark["page"]) > 400
