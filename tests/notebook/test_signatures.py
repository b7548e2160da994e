"""What notebooks of users call stays as it is: a change here breaks theirs."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import vgglab
from vgglab.notebook.predictions import COLUMNS as PREDICTION_COLUMNS
from vgglab.notebook.runs import CURVE_COLUMNS
from vgglab.report.claims_table import COLUMNS as CLAIM_COLUMNS

SIGNATURES = {
    "load": "(study: 'str | PathLike[str]', runs: 'str | PathLike[str] | None' = None) -> 'Study'",
    "load_runs": "(folder: 'str | PathLike[str]', where: 'Mapping[str, Any] | None' = None) "
    "-> 'Runs'",
    "Study.figure": "(self, name: 'str') -> 'Canvas'",
}
MEMBERS = {
    "Runs": ["curves", "predictions", "runs"],
    "Study": ["claims", "curves", "figure", "figures", "predictions", "runs"],
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_signature_stays(name: str) -> None:
    owner, _, member = name.rpartition(".")
    function = getattr(getattr(vgglab, owner) if owner else vgglab, member)
    assert str(inspect.signature(function)) == SIGNATURES[name]


@pytest.mark.parametrize("name", MEMBERS)
def test_members_stay_and_are_documented(name: str) -> None:
    kind = getattr(vgglab, name)
    public = [member for member in dir(kind) if not member.startswith("_")]
    assert public == MEMBERS[name]
    assert all(inspect.getdoc(getattr(kind, member)) for member in public)


def test_the_package_has_four_names() -> None:
    assert vgglab.__all__ == ["Runs", "Study", "load", "load_runs"]
    assert set(vgglab.__all__) <= set(dir(vgglab))
    with pytest.raises(AttributeError, match="'lod'; it has Runs, Study, load, load_runs"):
        _ = vgglab.lod


def test_columns_stay() -> None:
    assert CURVE_COLUMNS == ("run", "epoch", "metric", "value")
    assert PREDICTION_COLUMNS == (
        "index", "original", "label", "predicted", "rank", "probability", "loss",
    )  # fmt: skip
    assert list(CLAIM_COLUMNS) == [
        "claim", "setting", "statement", "origin", "compared", "ours", "metric", "word",
        "difference", "low", "high", "best", "best_low", "best_high", "margin", "p_value", "p_holm",
        "seeds", "look", "asked", "trained", "of_trained_runs", "reason",
    ]  # fmt: skip


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, vgglab; print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert not {"torch", "pandas", "numpy", "matplotlib", "pydantic"} & set(ended.stdout.split())
