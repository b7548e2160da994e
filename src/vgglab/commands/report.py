"""``task=report``: a study's report anew, from the runs that there are."""

from __future__ import annotations

from vgglab.config import Config
from vgglab.workflow.reporting import write_study_report
from vgglab.workflow.this_command import points_of_this_command


def report(config: Config) -> None:
    """Write the report of the study that the command names, and say what was found.

    Raises:
        ConfigError: no study is named, or a point of it is wrong.
    """
    print("\n".join(write_study_report(points_of_this_command())))
