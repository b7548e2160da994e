"""What a user sees: the server's pages and the offline page in Chromium, ``wandb leet`` in a
terminal. With ``VGGLAB_PICTURES`` set, the pictures are kept there: those of docs/wandb.md are."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from browser import needs_chromium
from terminal import html_of, screen
from wandb_server import ENTITY, MISSING, TOOLS, Lab, look

pytestmark = [
    pytest.mark.wandb_server,
    pytest.mark.skipif(not (TOOLS / "bin" / "openwandb").exists(), reason=MISSING),
    needs_chromium,
]
PROJECT = "online"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures go."""
    folder = Path(os.environ.get("VGGLAB_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def text_of(dom: str) -> str:
    """What a page says, without its code."""
    bare = re.sub(r"<(script|style).*?</\1>", " ", dom, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", bare).split())


def test_the_project_page_lists_every_run_of_the_study(study: Lab, pictures: Path) -> None:
    study.server.publish(PROJECT)
    address = f"{study.server.url}/projects/{ENTITY}/{PROJECT}"
    text = text_of(look(address, pictures / "project.png"))
    for run in study.runs():
        assert run.name in text
    assert "report-quickstart" in text
    assert "7 runs" in text
    assert text.count("finished") >= 7


def test_a_run_page_draws_a_chart_for_each_metric(study: Lab, pictures: Path) -> None:
    study.server.publish(PROJECT)
    run = study.runs()[0].name
    address = f"{study.server.url}/runs/{ENTITY}/{PROJECT}/{run}"
    dom = look(address, pictures / "run.png", "1400,1500")
    metrics = study.server.rows(run)
    assert dom.count("<canvas") >= len(metrics)
    headings = set(re.findall(r"<h4>([^<]+)</h4>", dom))
    assert {name.partition("/")[2] or name for name in metrics} <= headings


def test_two_runs_are_compared_beside_each_other(study: Lab, pictures: Path) -> None:
    study.server.publish(PROJECT)
    nets = ("a-bn", "a_lrn-bn")
    first_seeds = tuple(f"{net}-s0-" for net in nets)
    chosen = [run.name for run in study.runs() if run.name.startswith(first_seeds)]
    address = f"{study.server.url}/compare/{ENTITY}/{PROJECT}?runs={','.join(chosen)}"
    dom = look(address, pictures / "compare.png", "1400,1300")
    assert len(chosen) == 2
    assert dom.count("<canvas") >= 3
    shown = text_of(dom)
    for net in nets:  # under its arm's name: net, what is not as usual, a hash; then the seed
        assert re.search(rf"\b{net}-\S*-[0-9a-f]{{8}}-s0\b", shown)


def test_the_offline_page_links_to_the_runs(study: Lab, pictures: Path) -> None:
    page = study.folder / "studies" / "quickstart" / "report.html"
    dom = look(page.as_uri(), pictures / "offline.png", "1200,1500")
    for run in study.runs():
        assert f'href="../../runs/{run.name}"' in dom


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux: apt-get install tmux")
def test_leet_shows_every_run_of_the_study(study: Lab, pictures: Path, tmp_path: Path) -> None:
    flat = study.folder / "studies" / "quickstart" / "wandb"
    # The latest, the study's own run, is unticked and the next two are ticked; then only their
    # errors and losses are shown.
    folders = sorted(path.name for path in flat.glob("run-*"))
    # By the second in which they began, the latest first; those of one second by their names.
    listed = sorted(folders, key=lambda name: name.split("-")[1], reverse=True)
    first, second = (name.split("-", 2)[2].rpartition("-")[0] for name in listed[1:3])
    steps = [
        ("charts/", "Space"), ("Select a run", "Down"), (f"ID: {first}", "Space"),
        ("Metrics [1-9", "Down"), (f"ID: {second}", "Space"), (f"● {listed[2][:20]}", "/"),
        ("Filter", "error|loss"), ("error|loss", "Enter"),
    ]  # fmt: skip
    names = [run.name.rpartition("-")[0] for run in study.runs()]  # the list cuts them short
    wanted = [*names, "Runs [7 items]", "Metrics [1-7 of 7 filtered", "validation/"]
    shown = screen(["leet", str(flat)], steps, wanted, tmp_path)
    page = tmp_path / "terminal.html"
    page.write_text(html_of(shown), encoding="utf-8")
    look(page.as_uri(), pictures / "leet.png", "1500,940")
