"""Figures that processes of their own draw are those that this one would draw."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure as Canvas

from vgglab import machine
from vgglab.report import write_report
from vgglab.report.beside import drawn_beside
from vgglab.report.blocks import Figure
from vgglab.report.style import canvas
from vgglab.study import StudyView, claims_record


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 2)


def figure_of(draw: Callable[[], Canvas]) -> Figure:
    return Figure("curves", "Curves", "Errors of each epoch.", draw)


def line() -> Canvas:
    drawn, (axes,) = canvas()
    axes.plot([0, 1, 2], [3, 1, 2])
    return drawn


def test_the_files_are_the_same_and_are_not_drawn_again() -> None:
    here = []

    def noted() -> Canvas:
        here.append(os.getpid())
        return line()

    figure = figure_of(noted)
    with drawn_beside([figure]):
        pass
    assert (figure.svg, figure.png) == (figure_of(line).svg, figure_of(line).png)
    assert here == []


def test_a_figure_whose_process_fails_says_what_is_wrong_when_it_is_asked_for() -> None:
    def broken() -> Canvas:
        raise ValueError("no such marker")

    def killed() -> Canvas:
        os.kill(os.getpid(), signal.SIGKILL)
        return line()

    one, other, whole = figure_of(broken), figure_of(killed), figure_of(line)
    with drawn_beside([one, other, whole]):
        pass
    assert "files" in vars(whole)
    assert "files" not in vars(other)
    with pytest.raises(ValueError, match="no such marker"):
        assert one.png


def test_no_process_is_left_where_the_body_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    fork = os.fork

    def noted() -> int:
        begun.append(fork())
        return begun[-1]

    def slow() -> Canvas:
        signal.pause()
        return line()

    def body() -> None:
        with drawn_beside([figure_of(slow)]):
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "fork", noted)
    with pytest.raises(KeyboardInterrupt):
        body()
    (process,) = begun
    with pytest.raises(ChildProcessError):
        os.waitpid(process, os.WNOHANG)


def test_a_report_has_the_bytes_of_one_that_is_drawn_by_one_process(
    whole_study: StudyView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = []
    meanwhile: list[int] = []
    for cores in (1, 2):
        monkeypatch.setattr(machine, "cores", lambda cores=cores: cores)
        folder = tmp_path / "same"
        write_report(whole_study, folder, lambda: meanwhile.append(os.getpid()))
        pages.append({p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()})
        for path in folder.rglob("*.*"):
            path.unlink()
    assert pages[0] == pages[1]
    assert meanwhile == [os.getpid()] * 2


def test_a_view_is_judged_once(whole_study: StudyView) -> None:
    assert claims_record(whole_study) is claims_record(whole_study)
