"""A study as a view over runs: its table, its means, its claims and their verdicts.

Must not know torch, how nets are built or trained, or how a report looks.
"""

from vgglab.study.arms import Arm, arms, norm_order, values_by_arm
from vgglab.study.claims.inference import CONFIDENCE
from vgglab.study.claims.record import (
    ClaimRecord,
    ClaimsFile,
    MeasuredRecord,
    claims_record,
)
from vgglab.study.confounds import (
    UNKNOWN,
    Declaration,
    Declared,
    FieldDifference,
    Guard,
    compare,
    free_keys,
    grid_keys,
)
from vgglab.study.cost import Cost, costs
from vgglab.study.curves import Curve, Split, learning_curves, mean_curve
from vgglab.study.estimate import Estimate, estimate
from vgglab.study.summary import Summary, protocol_steps, summarise
from vgglab.study.table import MEASURED, STEP_PARTS, ResultRow, result_rows, results_table
from vgglab.study.tuning import Candidate, Tuning, net_of
from vgglab.study.view import MissingPoint, StudyView

__all__ = [
    "CONFIDENCE",
    "MEASURED",
    "STEP_PARTS",
    "UNKNOWN",
    "Arm",
    "Candidate",
    "ClaimRecord",
    "ClaimsFile",
    "Cost",
    "Curve",
    "Declaration",
    "Declared",
    "Estimate",
    "FieldDifference",
    "Guard",
    "MeasuredRecord",
    "MissingPoint",
    "ResultRow",
    "Split",
    "StudyView",
    "Summary",
    "Tuning",
    "arms",
    "claims_record",
    "compare",
    "costs",
    "estimate",
    "free_keys",
    "grid_keys",
    "learning_curves",
    "mean_curve",
    "net_of",
    "norm_order",
    "protocol_steps",
    "result_rows",
    "results_table",
    "summarise",
    "values_by_arm",
]
