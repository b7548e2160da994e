"""Write a study's report into its folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from vgglab.report.blocks import Figure, Page
from vgglab.report.page import build_page
from vgglab.report.style import inline_svg
from vgglab.runs.atomic import write_json, write_text
from vgglab.study import StudyView, results_table
from vgglab.study.printed import printed_record

_HERE = Path(__file__).parent
_MARKS = re.compile(r"(?<!\w)_+|_+(?!\w)|~(?!/)|[\\`*$\[\]<>|#&]")
"""What Markdown takes for its own: not ``_`` within a name, nor ``~`` of a path, which may stay as
they are, to be found and, where it is the user's home, left out of what others get."""


def _markdown_text(text: str) -> str:
    """Text that Markdown prints as it is, also in a cell of a table."""
    escaped = _MARKS.sub(lambda found: "".join(f"\\{mark}" for mark in found[0]), text)
    return re.sub(r"\s*\n\s*", " ", escaped)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["md"] = _markdown_text
    environment.filters["inline_svg"] = lambda figure: Markup(inline_svg(figure.svg, figure.name))
    environment.globals["css"] = Markup((_HERE / "report.css").read_text("utf-8"))
    return environment


def _write_figure(figure: Figure, folder: Path) -> None:
    (folder / f"{figure.name}.png").write_bytes(figure.png)
    write_text(folder / f"{figure.name}.svg", figure.svg)


def remove_others(folder: Path, names: Collection[str], kinds: Collection[str]) -> None:
    """Remove figures of an earlier report: what stands here is taken for a part of this one.

    Args:
        folder: of figures.
        names: of those that stay.
        kinds: suffixes of their files.
    """
    for kind in kinds:
        for path in folder.glob(f"*.{kind}"):
            if path.stem not in names:
                path.unlink(missing_ok=True)


def _write_page(page: Page, folder: Path) -> Path:
    environment = _environment()
    for name in ("report.md", "report.html"):
        write_text(folder / name, environment.get_template(f"{name}.j2").render(page=page))
    return folder / "report.html"


def write_report(
    study: StudyView, folder: Path, meanwhile: Callable[[], object] | None = None
) -> Path:
    """``results.csv``, ``claims.json``, ``report.md``, ``report.html`` and ``figures/`` of a study.

    The same study in the same place gives the same bytes.

    Args:
        study: what is known of it.
        folder: the study's folder.
        meanwhile: what the caller can do while other processes draw.

    Returns:
        The path of ``report.html``, which needs no other file and no network.
    """
    figures = folder / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    write_text(
        folder / "results.csv", results_table(study).to_csv(index=False, lineterminator="\n")
    )
    printed = printed_record(study)
    write_json(folder / "claims.json", printed)
    page = build_page(study, printed, printed["fits"], printed["tuning"], folder)
    Figure.draw_all(page.figures, meanwhile)
    for figure in page.figures:
        _write_figure(figure, figures)
    written = _write_page(page, folder)
    remove_others(figures, {figure.name for figure in page.figures}, ("png", "svg"))
    return written
