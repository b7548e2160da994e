"""Tables, figures and the offline page of a study.

Must not know torch, W&B, or how a number is computed: it prints what ``study`` hands it.
"""

from vgglab.report.screen import screen_lines
from vgglab.report.write import write_report

__all__ = ["screen_lines", "write_report"]
