"""The whole of ``claims.json``: the claims, and what else of a study is computed and printed."""

from __future__ import annotations

from vgglab.study.claims.record import ClaimsFile, claims_record
from vgglab.study.fits import FitRecord, fits_record
from vgglab.study.placebo import PlaceboRecord, placebo_record
from vgglab.study.tuning_record import TuningRecord, tuning_record
from vgglab.study.view import StudyView


class PrintedFile(ClaimsFile):
    """Contents of ``claims.json``."""

    placebo: PlaceboRecord | None
    tuning: TuningRecord | None
    fits: list[FitRecord]


def printed_record(view: StudyView) -> PrintedFile:
    """All that a study's report prints of words and tests."""
    return {
        **claims_record(view),
        "placebo": placebo_record(view),
        "tuning": tuning_record(view),
        "fits": fits_record(view),
    }
