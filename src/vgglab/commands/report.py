"""``task=report``: a study's report anew, from the runs that there are."""

from __future__ import annotations

import json

from vgglab.config import Config
from vgglab.report import export
from vgglab.workflow.compose import files_read_once
from vgglab.workflow.reporting import view_of, write_study_report
from vgglab.workflow.this_command import points_of_this_command


def report(config: Config) -> None:
    """Write the report of the study that the command names, and say what was found.

    As text; with another ``format`` its tables, which are written beside the report as well, with
    figures for print.

    Raises:
        ConfigError: no study is named, or a point of it is wrong.
    """
    with files_read_once():
        points = points_of_this_command()
        view, folder = view_of(points), points[0].config.study_folder
    lines = write_study_report(points, view)
    if config.format == "table":
        print("\n".join(lines))
        return
    record = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    print(export(view, record, folder, config.format, config.report.column_mm), end="")
