"""A study as a view over runs: its table, its means and its differences. Knows no torch."""

from vgglab.study.arm_fields import arms, semantic_fields, values_by_arm
from vgglab.study.arms import Arm
from vgglab.study.claims.inference import CONFIDENCE
from vgglab.study.claims.power import Noise, chance, detectable, seeds_needed
from vgglab.study.claims.record import claims_record
from vgglab.study.confounds import (
    UNKNOWN,
    Declaration,
    Declared,
    FieldDifference,
    Guard,
    compare,
    grid_keys,
)
from vgglab.study.cost import Cost, costs
from vgglab.study.curves import Curve, Split, learning_curves, mean_curve
from vgglab.study.estimate import Estimate, estimate
from vgglab.study.protocol_steps import ProtocolStep, protocol_steps
from vgglab.study.summary import Summary, summarise
from vgglab.study.table import MEASURED, STEP_PARTS, ResultRow, result_rows, results_table
from vgglab.study.view import MissingPoint, StudyView

__all__ = [
    "CONFIDENCE",
    "MEASURED",
    "STEP_PARTS",
    "UNKNOWN",
    "Arm",
    "Cost",
    "Curve",
    "Declaration",
    "Declared",
    "Estimate",
    "FieldDifference",
    "Guard",
    "MissingPoint",
    "Noise",
    "ProtocolStep",
    "ResultRow",
    "Split",
    "StudyView",
    "Summary",
    "arms",
    "chance",
    "claims_record",
    "compare",
    "costs",
    "detectable",
    "estimate",
    "grid_keys",
    "learning_curves",
    "mean_curve",
    "protocol_steps",
    "result_rows",
    "results_table",
    "seeds_needed",
    "semantic_fields",
    "summarise",
    "values_by_arm",
]
