"""The documentation names only what is there."""

from __future__ import annotations

import re
from pathlib import Path

import field_tests
import pytest
from running import ROOT

from vgglab.commands.main import COMMANDS

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
PREFIXES = ("", "src/vgglab/", "src/vgglab/study/", "src/vgglab/data/", "src/vgglab/models/")
"""Folders that a page's short paths start in."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:[a-z_0-9]+/)+[a-z_0-9]+\.py\b", text))
    gone = sorted(name for name in named if not any((ROOT / p / name).exists() for p in PREFIXES))
    assert not gone


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert set(re.findall(r"^\| \[([a-z-]+\.md)\]", index, flags=re.MULTILINE)) == pages


def test_the_table_of_choices_lists_every_file() -> None:
    """But the rows of Table 3, which it names by one."""
    text = (ROOT / "docs" / "using.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z]+)`[^|]*\| (.*) \|$", text, flags=re.MULTILINE)
    checked = set()
    for group, choices in rows:
        folder = next((f for f in (ROOT / "conf" / group, ROOT / group) if f.is_dir()), None)
        if folder is not None:
            stems = {p.stem for p in folder.glob("*.yaml") if not p.stem.startswith("table3_")}
            unlisted = stems - set(re.findall(r"`([a-z0-9_]+)`", choices))
            assert not unlisted, f"docs/using.md lists no {group}={min(unlisted)}"
            checked.add(group)
    assert checked >= {"model", "claims", "experiments", "sweeps"}


def test_the_table_of_field_reports_is_of_the_tests_that_there_are() -> None:
    """Written by a command from the tests, so that it cannot go stale."""
    assert field_tests.PAGE.read_text(encoding="utf-8") == field_tests.page()


def test_the_readmes_table_of_commands_lists_every_task() -> None:
    """All but what ``python run.py`` does without one; and each command of it is understood."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `python run\.py ?([^`]*)` \| (.+) \|$", text, flags=re.MULTILINE)
    assert {found[1] for row, _ in rows if (found := re.search(r"task=(\w+)", row))} == (
        COMMANDS.keys() - {"train"}
    )
