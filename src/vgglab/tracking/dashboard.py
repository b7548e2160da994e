"""A study's dashboard and report as code: written offline, saved to W&B on request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import wandb
import wandb_workspaces.reports.v2.interface as wr
import wandb_workspaces.workspaces as ws
from wandb_workspaces import expr

from vgglab.config import TrackingConfig
from vgglab.config.parse import ConfigError
from vgglab.runs.atomic import write_json
from vgglab.tracking import server
from vgglab.tracking.panels import ARM, PanelSection, sections
from vgglab.tracking.study_run import study_run_id

WORKSPACE, REPORT, SAVED = "workspace.json", "wandb-report.json", "dashboard.json"


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """What a study's workspace and report are made from."""

    study: str
    asks: str
    paper: str
    runs: Sequence[str]
    """W&B ids of the study's runs."""
    protocols: Sequence[str]
    top_k: Sequence[int]
    figures: Sequence[str]


def write(dashboard: Dashboard, folder: Path) -> None:
    """``workspace.json`` and ``wandb-report.json``: the same study gives the same bytes."""
    workspace = _workspace(dashboard, entity="", project="")
    _write(folder / WORKSPACE, workspace._to_model().spec)
    report = _report(dashboard, entity="", project="")
    _write(folder / REPORT, report._to_model().spec)


def _write(path: Path, spec: Any) -> None:
    write_json(path, json.loads(spec.model_dump_json(by_alias=True, exclude_none=True)))


def save(dashboard: Dashboard, tracking: TrackingConfig, folder: Path) -> list[str]:
    """Save both to W&B, anew or over what an earlier call saved; their addresses.

    Raises:
        ConfigError: the server is away, wants a key, or knows no workspaces.
    """
    url = server.base_url()
    if not server.answers(url):
        raise ConfigError(f"{url} does not answer; {folder / WORKSPACE} can be saved later")
    try:
        entity = tracking.entity or wandb.Api().default_entity
        return _save(dashboard, entity or "", tracking.project, folder)
    except Exception as error:  # the client and its server have many ways to say no
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ConfigError(f"{url} did not take the dashboard: {reason}") from error


def _save(dashboard: Dashboard, entity: str, project: str, folder: Path) -> list[str]:
    saved = _saved(folder / SAVED, entity, project)
    workspace = _workspace(dashboard, entity, project)
    workspace._internal_name = saved.get("workspace_name", "")
    workspace._internal_id = saved.get("workspace_id", "")
    workspace.save()
    report = _report(dashboard, entity, project)
    report.id = saved.get("report_id", "")
    report.save()
    known = {
        "entity": entity,
        "project": project,
        "workspace_name": workspace._internal_name,
        "workspace_id": workspace._internal_id,
        "workspace": workspace.url,
        "report_id": report.id,
        "report": report.url,
    }
    write_json(folder / SAVED, known)
    return [known["workspace"], known["report"]]


def _saved(path: Path, entity: str, project: str) -> dict[str, str]:
    """What an earlier call saved to the same project."""
    if not path.exists():
        return {}
    known: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return known if (known["entity"], known["project"]) == (entity, project) else {}


def _workspace(dashboard: Dashboard, entity: str, project: str) -> Any:
    """A ``ws.Workspace``, whose methods carry no types."""
    found = _sections(dashboard)
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name=f"Study {dashboard.study}",
        sections=[
            ws.Section(name=section.name, panels=list(section.panels), is_open=i < 2)
            for i, section in enumerate(found)
        ],
        settings=ws.WorkspaceSettings(x_axis="epoch", max_runs=100),
        runset_settings=ws.RunsetSettings(
            filters=_of_study(dashboard),
            groupby=[expr.Config(ARM.name)],
            pinned_columns=[f"summary:test/{dashboard.protocols[0]}/top1_error"],
        ),
    )
    workspace._internal_runset_id = f"study-{dashboard.study}"
    return workspace


def _sections(dashboard: Dashboard) -> list[PanelSection]:
    return sections(dashboard.protocols, dashboard.top_k, dashboard.figures)


def _of_study(dashboard: Dashboard) -> str:
    """The study's runs by id, and its report.

    Not by group: a run that two studies share has the group of the one that trained it.
    """
    names = ", ".join(f"'{name}'" for name in [*dashboard.runs, study_run_id(dashboard.study)])
    return f"ID in [{names}]"


def _report(dashboard: Dashboard, entity: str, project: str) -> Any:
    """A ``wr.Report``, whose methods carry no types."""
    blocks: list[Any] = [
        wr.H1(f"Study {dashboard.study}"),
        wr.P(dashboard.asks or "No question was written down."),
        *([wr.P(f"The paper: {dashboard.paper}")] if dashboard.paper else []),
    ]
    for section in _sections(dashboard):
        runset = wr.Runset(
            entity=entity,
            project=project,
            name=f"Study {dashboard.study}",
            filters=_of_study(dashboard),
            groupby=[f"config.{ARM.name}"],
        )
        runset._id = f"study-{dashboard.study}"
        blocks += [wr.H2(section.name), wr.PanelGrid(runsets=[runset], panels=list(section.panels))]
    return wr.Report(
        entity=entity,
        project=project,
        title=f"Study {dashboard.study}",
        description=dashboard.asks,
        blocks=blocks,
    )
