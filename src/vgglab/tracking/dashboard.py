"""A study's W&B workspace and report as code: written to files, saved to W&B on request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import wandb
import wandb_workspaces.reports.v2.interface as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from vgglab.config import TrackingConfig
from vgglab.config.parse import ConfigError
from vgglab.runs.atomic import write_json
from vgglab.tracking import server, wandb_internals
from vgglab.tracking.cards import Dashboard
from vgglab.tracking.panels import ARM, sections, shown_runs
from vgglab.tracking.study_run import study_run_id

WORKSPACE, REPORT, SAVED = "workspace.json", "wandb-report.json", "dashboard.json"


def write(dashboard: Dashboard, folder: Path) -> None:
    """Write ``workspace.json`` and ``wandb-report.json``; the same study gives the same bytes."""
    workspace = _workspace(dashboard, entity="", project="")
    _write(folder / WORKSPACE, wandb_internals.specification(workspace))
    report = _report(dashboard, entity="", project="")
    _write(folder / REPORT, wandb_internals.specification(report))


def _write(path: Path, spec: Any) -> None:
    write_json(path, json.loads(spec.model_dump_json(by_alias=True, exclude_none=True)))


def save(dashboard: Dashboard, tracking: TrackingConfig, folder: Path) -> list[str]:
    """Save workspace and report to W&B; replace those that an earlier call saved.

    Args:
        dashboard: Content of both.
        tracking: Project and entity of W&B.
        folder: Folder of the study, which keeps the ids of what was saved.

    Returns:
        The addresses of workspace and report.

    Raises:
        ConfigError: the server does not answer, needs a key, or has no workspaces.
    """
    url = server.base_url()
    if not server.answers(url):
        raise ConfigError(f"{url} does not answer; {folder / WORKSPACE} can be saved later")
    try:
        entity = tracking.entity or wandb.Api().default_entity
        return _save(dashboard, entity or "", tracking.project, folder)
    except Exception as error:  # the client raises many classes
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ConfigError(f"{url} did not take the dashboard: {reason}") from error


def _save(dashboard: Dashboard, entity: str, project: str, folder: Path) -> list[str]:
    saved = _saved(folder / SAVED, entity, project)
    workspace = _workspace(dashboard, entity, project)
    wandb_internals.set_saved_workspace(
        workspace, saved.get("workspace_name", ""), saved.get("workspace_id", "")
    )
    workspace.save()
    report = _report(dashboard, entity, project)
    report.id = saved.get("report_id", "")
    report.save()
    workspace_name, workspace_id = wandb_internals.saved_workspace(workspace)
    record = {
        "entity": entity,
        "project": project,
        "workspace_name": workspace_name,
        "workspace_id": workspace_id,
        "workspace": workspace.url,
        "report_id": report.id,
        "report": report.url,
    }
    write_json(folder / SAVED, record)
    return [record["workspace"], record["report"]]


def _saved(path: Path, entity: str, project: str) -> dict[str, str]:
    """Read the record of an earlier call for the same project; empty without one."""
    if not path.exists():
        return {}
    record: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return record if (record["entity"], record["project"]) == (entity, project) else {}


def _workspace(dashboard: Dashboard, entity: str, project: str) -> Any:
    """Return a ``ws.Workspace``, whose methods have no types."""
    found = sections(dashboard)
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=f"Study {dashboard.study}",
        sections=[
            ws.Section(name=section.name, panels=list(section.panels), is_open=i < 2)
            for i, section in enumerate(found)
        ],
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=shown_runs(dashboard)),
        runset_settings=ws.RunsetSettings(
            filters=_of_study(dashboard),
            groupby=[expr.Config(ARM.name)],
            pinned_columns=[f"summary:test/{dashboard.protocols[0]}/top1_error"],
        ),
    )
    wandb_internals.set_runset_id(workspace, f"study-{dashboard.study}")
    return workspace


def _of_study(dashboard: Dashboard) -> str:
    """Return the filter of the study's runs and its report, by id.

    Not by group: a run that two studies share has the group of the study that trained it.
    """
    names = ", ".join(f"'{name}'" for name in [*dashboard.runs, study_run_id(dashboard.study)])
    return f"ID in [{names}]"


def _report(dashboard: Dashboard, entity: str, project: str) -> Any:
    """Return a ``wr.Report``, whose methods have no types."""
    blocks: list[Any] = [
        wr.H1(f"Study {dashboard.study}"),
        wr.P(dashboard.asks or "No question was written down."),
        *([wr.P(f"The paper: {dashboard.paper}")] if dashboard.paper else []),
    ]
    for section in sections(dashboard):
        runset = wr.Runset(
            entity=entity,
            project=project,
            name=f"Study {dashboard.study}",
            filters=_of_study(dashboard),
            groupby=[f"config.{ARM.name}"],
        )
        wandb_internals.set_id(runset, f"study-{dashboard.study}")
        blocks += [wr.H2(section.name), wr.PanelGrid(runsets=[runset], panels=list(section.panels))]
    return wr.Report(
        entity=entity,
        project=project,
        title=f"Study {dashboard.study}",
        description=dashboard.asks,
        blocks=blocks,
    )
