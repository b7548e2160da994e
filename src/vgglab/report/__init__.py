"""Tables, figures and the offline page of a study. Knows no torch and no W&B."""

from vgglab.report.write import write_report

__all__ = ["write_report"]
