"""A study as a view over runs: its table, its means and its differences. Knows no torch."""

from vgglab.study.arm import Arm
from vgglab.study.contrast import Difference, paired_difference
from vgglab.study.cost import Cost, costs
from vgglab.study.curves import Curve, Split, learning_curves, mean_curve
from vgglab.study.estimate import CONFIDENCE, Estimate, estimate
from vgglab.study.protocols import ProtocolStep, protocol_steps
from vgglab.study.settings import arms, values_by_arm
from vgglab.study.summary import Summary, summarise
from vgglab.study.table import ResultRow, result_rows, results_table
from vgglab.study.view import MissingPoint, StudyView

__all__ = [
    "CONFIDENCE",
    "Arm",
    "Cost",
    "Curve",
    "Difference",
    "Estimate",
    "MissingPoint",
    "ProtocolStep",
    "ResultRow",
    "Split",
    "StudyView",
    "Summary",
    "arms",
    "costs",
    "estimate",
    "learning_curves",
    "mean_curve",
    "paired_difference",
    "protocol_steps",
    "result_rows",
    "results_table",
    "summarise",
    "values_by_arm",
]
