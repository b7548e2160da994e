"""``task=dashboard``: a study's dashboard and report, saved to the user's W&B."""

from __future__ import annotations

from vgglab.config import Config
from vgglab.privacy import without_secrets
from vgglab.tracking import dashboard as wandb_dashboard
from vgglab.workflow.reporting import view_of
from vgglab.workflow.this_command import points_of_this_command
from vgglab.workflow.wandb_study import dashboard_of


def dashboard(config: Config) -> None:
    """Save the dashboard of the study that the command names, and print its addresses.

    Raises:
        ConfigError: no study is named, or the server did not take it.
    """
    points = points_of_this_command()
    first, view = points[0].config, view_of(points)
    folder = first.study_folder
    spec = dashboard_of(first, view, folder)
    wandb_dashboard.write(spec, folder)
    print(without_secrets("\n".join(wandb_dashboard.save(spec, first.tracking, folder))))
