"""What commands print is what was said, whatever brackets and colons are in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from rich.table import Table

from vgglab.workflow.output import print_rows

SRC = Path(__file__).resolve().parents[2] / "src"
WORDS = "net[/big] [red]wide[/red] [link=x] :smile:"


def test_brackets_and_colons_of_a_user_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"run": WORDS}], "table")
    assert WORDS in capsys.readouterr().out
    table = Table(title=WORDS)
    table.add_column(WORDS)
    print_rows([], "table", tables=lambda: [WORDS, table])
    assert capsys.readouterr().out.count(WORDS) == 3


def test_every_console_prints_text_as_it_is() -> None:
    makers = {
        path.relative_to(SRC).as_posix()
        for path in SRC.rglob("*.py")
        if re.search(r"\bConsole\(", path.read_text("utf-8"))
    }
    assert makers == {"vgglab/streams.py"}  # plain_console


def test_no_rows_are_no_line_of_csv(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([], "csv")
    assert capsys.readouterr().out == ""
    print_rows([], "csv", columns=("run", "state"))
    assert capsys.readouterr().out.split() == ["run,state"]
