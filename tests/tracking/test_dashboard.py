"""The dashboard as code: the same bytes each time, and no panel about what no run logs."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from offline_file import of_kind
from running import ROOT, SMALL, completed

from vgglab.config import Config, InitConfig, TrackingConfig, flatten
from vgglab.config.parse import ConfigError
from vgglab.runs import State, Status
from vgglab.tracking import server
from vgglab.tracking.cards import Dashboard
from vgglab.tracking.dashboard import REPORT, SAVED, WORKSPACE, save, write
from vgglab.tracking.panels import sections
from vgglab.workflow.pretraining import directory_of
from vgglab.workflow.wandb_cards import run_card

STUDY = (
    *SMALL[1:], "sweeps=lrn", "data.test_images=4000", "recipe.epochs=1", "tracking=offline",
    "++hydra.sweeper.params={model:a,model.width:'0.0625,0.03125',init:'he,glorot',seed:'0'}",
    "study.design=zip", "study.nuisance=[seed,init]",
)  # fmt: skip
SPEC = Dashboard(
    study="lrn",
    asks="Does it help?",
    paper="It does not.",
    runs=("a-s0-00", "a_lrn-s0-11"),
    seeds=(1, 1),
    counted={
        **{f"test/center/top{k}_error": (1, 1) for k in (1, 5)},
        "validation/best_top1_error": (1, 1),
        **{
            f"whole_run/{name}": (1, 1)
            for name in ("step_ms", "peak_memory_mib", "train_seconds", "images_per_second", "mfu")
        },
    },
    protocols=("center",),
    top_k=(1, 5),
    figures=("error_vs_depth",),
    charts=("error_vs_depth",),
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Path:
    """The folder of a small study, tracked offline; in it ``again/``, its report made anew."""
    folder = tmp_path_factory.mktemp("study")
    for arguments in (("-m", *STUDY), ("task=report", *STUDY)):
        ended = completed(folder, *arguments, f"paths.data={datasets}")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        for name in (WORKSPACE, REPORT):
            written = folder / "studies" / "lrn" / name
            (folder / f"{arguments[0]}-{name}").write_bytes(written.read_bytes())
    return folder


def flat_keys(tree: Any, prefix: str) -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from flat_keys(value, f"{prefix}.{key}")
    else:
        yield prefix


def logged(folder: Path) -> tuple[set[str], set[str]]:
    """Metrics and config keys of every W&B run under a folder."""
    metrics: set[str] = set()
    config: set[str] = set()
    for path in folder.rglob("*.wandb"):
        if path.parent.is_symlink():
            continue
        items = [item for row in of_kind(path, "history") for item in row.item]
        items += [item for part in of_kind(path, "summary") for item in part.update]
        # What is deeper belongs to a medium: its type, its file.
        metrics |= {item.nested_key[0] if item.nested_key else item.key for item in items}
        for run in of_kind(path, "run"):
            for item in run.config.update:
                config |= set(flat_keys(json.loads(item.value_json), item.key))
    return metrics, config


TREATMENT = ("model.name", "norm.name", "model.width", "init.name")
"""Fields that the studies of this file vary, the seed apart."""


def configs(folder: Path) -> Iterator[dict[str, Any]]:
    """The config of each training run under a folder as it was logged, flat."""
    for path in folder.rglob("*.wandb"):
        if path.parent.is_symlink():
            continue
        for run in of_kind(path, "run"):
            if run.job_type == "train":
                logged = {item.key: json.loads(item.value_json) for item in run.config.update}
                yield dict(flatten(logged))


def mixed(spec: dict[str, Any], runs: Iterable[dict[str, Any]]) -> set[str]:
    """Titles of the panels that average over runs which differ in more than their seed."""
    found: set[str] = set()
    for panel in panels(spec):
        about = panel["config"]
        if not about.get("aggregate"):
            continue
        key = about["groupBy"].replace("cfg.value.", "cfg.")
        groups: dict[Any, set[tuple[Any, ...]]] = defaultdict(set)
        for config in runs:
            groups[config[key]].add(tuple(config[f"cfg.{field}"] for field in TREATMENT))
        if any(len(treatments) > 1 for treatments in groups.values()):
            found.add(about["chartTitle"])
    return found


def panels(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Every panel of a workspace, or of a report's grids."""
    if "section" in spec:
        return [p for s in spec["section"]["panelBankConfig"]["sections"] for p in s["panels"]]
    grids = [block for block in spec["blocks"] if block["type"] == "panel-grid"]
    return [p for grid in grids for p in grid["metadata"]["panelBankSectionConfig"]["panels"]]


def named(panel: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Metrics and config keys that a panel is about."""
    config = panel["config"]
    axes = [config[axis] for axis in ("xAxis", "yAxis") if axis in config]
    keys = {axis.partition(":")[2] for axis in axes if axis.startswith("config:")}
    keys |= {config["groupBy"]} if "groupBy" in config else set()
    metrics = {axis.removeprefix("summary:") for axis in axes if not axis.startswith("config:")}
    metrics |= {*config.get("metrics", ()), *config.get("mediaKeys", ())}
    return metrics, {key.replace("cfg.value.", "cfg.") for key in keys}


def unknown(spec: dict[str, Any], folder: Path) -> set[str]:
    """What panels name and no run logs."""
    metrics, config = logged(folder)
    found: set[str] = set()
    for panel in panels(spec):
        of_metrics, of_config = named(panel)
        found |= (of_metrics - metrics) | (of_config - config)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", [WORKSPACE, REPORT])
def test_every_panel_is_about_something_that_runs_log(study: Path, name: str) -> None:
    spec = json.loads((study / "studies" / "lrn" / name).read_text())
    assert unknown(spec, study) == set()
    broken = json.loads(
        json.dumps(spec)
        .replace("whole_run/step_ms", "whole_run/step_msec")
        .replace("value.arm", "value.am")
    )
    assert unknown(broken, study) == {"whole_run/step_msec", "cfg.am"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [WORKSPACE, REPORT])
def test_no_panel_averages_over_two_treatments(study: Path, name: str) -> None:
    runs = list(configs(study))
    spec = json.loads((study / "studies" / "lrn" / name).read_text())
    assert len({run["cfg.arm"] for run in runs}) == len(runs) == 2
    assert sum(bool(panel["config"].get("aggregate")) for panel in panels(spec)) > 15
    assert mixed(spec, runs) == set()
    by_norm = json.loads(json.dumps(spec).replace("value.arm", "value.norm.name"))
    assert "validation loss; mean and standard error, n = 1" in mixed(by_norm, runs)


def test_two_widths_and_two_initialisations_are_four_groups_of_two_seeds(
    small_config: Config, tmp_path: Path
) -> None:
    runs = []
    inits = (InitConfig(name="he"), InitConfig(name="glorot"))
    for width, init, seed in itertools.product((0.0625, 0.125), inits, (0, 1)):
        config = dataclasses.replace(
            small_config,
            model=dataclasses.replace(small_config.model, width=width),
            init=init,
            seed=seed,
        )
        card = run_card(config, directory_of(config), Status(state=State.FINISHED))
        assert card.name == f"{card.config['arm']}-s{seed}"
        runs.append({f"cfg.{key}": value for key, value in flatten(card.config)})
    names = [run["cfg.arm"] for run in runs]
    assert names[::2] == names[1::2]
    assert len(set(names)) == 4
    write(dataclasses.replace(SPEC, runs=names, seeds=(2, 2, 2, 2)), tmp_path)
    for name in (WORKSPACE, REPORT):
        assert mixed(json.loads((tmp_path / name).read_text()), runs) == set()
    spec = json.loads((tmp_path / WORKSPACE).read_text())
    assert spec["section"]["settings"]["maxRuns"] == 9  # the study's own run among them
    assert "learning rate; mean and standard error, n = 2" in json.dumps(spec)


@pytest.mark.slow
def test_the_sections_that_were_asked_for(study: Path) -> None:
    spec = json.loads((study / "studies" / "lrn" / WORKSPACE).read_text())
    sections = spec["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in sections] == [
        "Error against depth", "Local response normalisation", "Batch norm", "Curves", "Cost",
        "Study report", "Run comparer",
    ]  # fmt: skip
    assert sections[-1]["panels"][0]["viewType"] == "Run Comparer"
    grouped = [
        p["config"] for p in panels(spec) if p["viewType"] in ("Bar Chart", "Run History Line Plot")
    ]
    assert {(c["groupAgg"], c["groupArea"], c["limit"]) for c in grouped} == {("mean", "stderr", 3)}


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(study: Path) -> None:
    for name in (WORKSPACE, REPORT):
        first, second = ((study / f"{n}-{name}").read_bytes() for n in ("-m", "task=report"))
        assert first == second


@pytest.mark.slow
def test_the_dashboard_shows_the_studys_runs_and_no_others(study: Path) -> None:
    spec = json.loads((study / "studies" / "lrn" / WORKSPACE).read_text())
    (runset,) = spec["section"]["runSets"]
    (rule,) = runset["filters"]["filters"]
    assert rule["key"] == {"section": "run", "name": "name"}  # W&B's name of a run's id
    runs = {path.name for path in (study / "runs").iterdir()}
    assert set(rule["value"]) == runs | {"report-lrn"}


class FakeApi:
    """Stands for W&B's server: notes the views it is handed."""

    def __init__(self) -> None:
        self.views: list[dict[str, Any]] = []
        self.default_entity = "someone"

    def projects(self, entity: str) -> list[Any]:
        return []

    def create_project(self, name: str, entity: str) -> None:
        pass

    def execute(self, _: Any, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "spec" not in variables:
            return {"project": {"internalId": "1"}}
        self.views.append(variables)
        view = {"id": f"id-{variables['type']}", "name": variables["name"] or "kept"}
        about = {
            "displayName": variables["displayName"],
            "description": "",
            "project": {"name": "vgglab", "entityName": "someone"},
            "spec": variables["spec"],
        }
        return {"upsertView": {"view": view | about, "inserted": True}}


def test_saving_twice_updates_the_same_two_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeApi()
    monkeypatch.setattr(server, "answers", lambda url: True)
    monkeypatch.setattr("wandb.Api", lambda *_, **__: fake)
    for module in ("workspaces.internal", "reports.v2.interface"):
        monkeypatch.setattr(f"wandb_workspaces.{module}.execute_graphql", fake.execute)
    for module in ("workspaces.interface", "reports.v2.interface"):
        monkeypatch.setattr(f"wandb_workspaces.{module}.get_app_url", lambda _: "https://w.example")
    write(SPEC, tmp_path)
    first = save(SPEC, TrackingConfig(), tmp_path)
    second = save(SPEC, TrackingConfig(), tmp_path)
    assert first == second
    assert first[0].startswith("https://w.example/someone/vgglab?nw=")
    assert [view.get("id") for view in fake.views] == [None, None, "id-project-view", "id-runs"]
    assert {view["entityName"] for view in fake.views} == {"someone"}
    assert json.loads((tmp_path / SAVED).read_text())["workspace"] == first[0]
    workspace = json.loads((tmp_path / WORKSPACE).read_text())
    assert json.loads(fake.views[0]["spec"]) == workspace


def test_a_server_that_is_away_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "answers", lambda url: False)
    with pytest.raises(ConfigError, match=r"does not answer; .*workspace\.json can be saved later"):
        save(SPEC, TrackingConfig(), tmp_path)


def test_the_documentation_lists_the_panels() -> None:
    documented = (ROOT / "docs" / "wandb.md").read_text(encoding="utf-8")
    for section in sections(dataclasses.replace(SPEC, figures=("error_vs_depth", "curves"))):
        assert f"| {section.name} |" in documented
        for panel in section.panels:
            title, _, about = getattr(panel, "title", "").partition("; ")
            assert title in documented
            assert about in ("", "mean and standard error, n = 1")
