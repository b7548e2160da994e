"""Tables, figures and the offline page of a study.

Must not know torch, W&B, or how a number is computed: it prints what ``study`` hands it.
"""

from vgglab.report.blocks import Figure
from vgglab.report.claims_table import claims_table
from vgglab.report.export import ExportFormat, export
from vgglab.report.page import figures_of
from vgglab.report.screen import screen_lines
from vgglab.report.write import write_report

__all__ = [
    "ExportFormat",
    "Figure",
    "claims_table",
    "export",
    "figures_of",
    "screen_lines",
    "write_report",
]
