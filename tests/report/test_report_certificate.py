"""The report says of which runs a resume was verified, and of no others."""

from __future__ import annotations

import dataclasses
from typing import Any

from study_points import run, view

from vgglab.report.runs import certificate_lines


def certificate(*different: str) -> dict[str, Any]:
    return {"epochs": 2, "interruptions": [{"different": []}, {"different": list(different)}]}


def test_it_cites_what_is_there() -> None:
    plain = run("a", 0, 5.0)
    equal = dataclasses.replace(run("a", 1, 5.0), certificate=certificate())
    wrong = dataclasses.replace(run("b", 0, 5.0), certificate=certificate("weights", "predictions"))
    assert certificate_lines(view(plain)) == []
    assert certificate_lines(view(plain, equal, wrong)) == [
        f"Resume verified for run {equal.id}: all equal, to the bit "
        "(2 interruptions of 2 epochs, verify.json).",
        f"Resume is not exact for run {wrong.id}: predictions, weights differ "
        "(2 interruptions of 2 epochs, verify.json).",
    ]
