"""The claims of a study as a plain table: what ``format=csv`` prints and a notebook is handed."""

from __future__ import annotations

from typing import Any

import pandas as pd

from vgglab.report.verdicts import our_numbers
from vgglab.report.wording import compared, ends_of, setting_label
from vgglab.study import ClaimRecord, ClaimsFile

COLUMNS = {
    "claim": "str", "setting": "str", "statement": "str", "origin": "str", "compared": "str",
    "ours": "str", "metric": "str", "word": "str", "difference": "float64", "low": "float64",
    "high": "float64", "best": "float64", "best_low": "float64", "best_high": "float64",
    "margin": "float64", "p_value": "float64", "p_holm": "float64", "seeds": "Int64",
    "look": "Int64", "asked": "Int64", "trained": "Int64", "of_trained_runs": "bool",
    "reason": "str",
}  # fmt: skip
"""Column -> its type; docs/notebook.md says what each is."""


def claims_table(record: ClaimsFile) -> pd.DataFrame:
    """One row a claim and setting, in the order of the page."""
    frame = pd.DataFrame([_row(claim) for claim in record["claims"]], columns=list(COLUMNS))
    return frame.astype(COLUMNS)


def _row(claim: ClaimRecord) -> dict[str, Any]:
    effect, best = claim["effect"], claim["best"]
    low, high = (effect["interval"] if effect else None) or (None, None)
    best_low, best_high = (ends_of(best) if best else None) or (None, None)
    return {
        **{name: claim.get(name) for name in COLUMNS},
        "setting": setting_label(claim["setting"]),
        "compared": compared(claim),
        "ours": our_numbers(claim),
        "word": claim["verdict"],
        "difference": effect["mean"] if effect else None,
        "low": low,
        "high": high,
        "best": best["place"] if best else None,
        "best_low": best_low,
        "best_high": best_high,
        "seeds": len(claim["seeds"]["used"]),
        "asked": sum(side["asked"] for side in claim["sides"]),
        "trained": sum(side["trained"] for side in claim["sides"]),
    }
