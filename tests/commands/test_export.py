"""``task=report format=...``: the document on the screen and nothing else there."""

from __future__ import annotations

import json

import pytest
from running import SMALL, Command


@pytest.mark.slow
def test_a_report_as_a_document(command: Command) -> None:
    # None of its points has been trained: a report can be asked for at any time.
    study = (*SMALL, "task=report", "sweeps=lrn")
    ended = command(*study, "format=json")
    assert ended.returncode == 0, ended.stderr
    document = json.loads(ended.stdout)
    assert document["study"] == "lrn"
    assert {row["state"] for row in document["runs"]} == {"pending"}
    assert {claim["word"] for claim in document["claims"]} == {"inconclusive"}
    latex = command(*study, "format=latex")
    assert latex.returncode == 0, latex.stderr
    assert latex.stdout.startswith("% needs")


def test_latex_is_of_the_report_alone(command: Command) -> None:
    ended = command("task=runs", "format=latex")
    assert ended.returncode == 2
    assert ended.stderr == (
        "error: format = latex: task=runs prints table, json or csv; task=report has LaTeX\n"
    )
