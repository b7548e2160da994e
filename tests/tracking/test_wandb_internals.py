"""The names of wandb and wandb_workspaces that nobody promises: there, or told as gone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest
import wandb
import wandb_workspaces.reports.v2.interface as wr
import wandb_workspaces.workspaces as ws

from vgglab.tracking import wandb_internals


def hint(package: str) -> str:
    """Tell what a failure below means."""
    tested = wandb_internals.TESTED[package]
    return f"{package} {version(package)}: tracking/wandb_internals.py was tested with {tested}"


def test_credentials_are_found_without_a_question(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    (tmp_path / "netrc").write_text(f"machine w.example login user password {'x' * 40}\n")
    (tmp_path / "netrc").chmod(0o600)
    assert wandb_internals.has_credentials("https://w.example"), hint("wandb")
    assert not wandb_internals.has_credentials("https://other.example"), hint("wandb")


def test_a_record_can_be_parsed() -> None:
    record = wandb_internals.empty_record()
    record.num = 7
    again = wandb_internals.empty_record()
    again.ParseFromString(record.SerializeToString())
    assert again.num == 7, hint("wandb")


def test_a_workspace_is_written_with_the_ids_that_it_is_given() -> None:
    panel = wr.LinePlot(title="loss", y=["train/loss"])
    wandb_internals.set_id(panel, "panel0")
    section = ws.Section(name="s", panels=[panel])
    workspace = ws.Workspace(entity="e", project="p", sections=[section])
    wandb_internals.set_runset_id(workspace, "runset0")
    wandb_internals.set_saved_workspace(workspace, "name0", "id0")
    assert wandb_internals.saved_workspace(workspace) == ("name0", "id0")
    written = wandb_internals.specification(workspace).model_dump_json(by_alias=True)
    assert "runset0" in written, hint("wandb-workspaces")
    assert "panel0" in written, hint("wandb-workspaces")


def test_a_report_is_written_with_the_ids_that_it_is_given() -> None:
    runset = wr.Runset(entity="", project="")  # with a project it asks the server
    wandb_internals.set_id(runset, "runset0")
    report = wr.Report(entity="", project="", title="t", blocks=[wr.PanelGrid(runsets=[runset])])
    written = wandb_internals.specification(report).model_dump_json(by_alias=True)
    assert "runset0" in written, hint("wandb-workspaces")


def test_a_name_that_is_gone_is_told_with_the_tested_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(wandb_internals.InternalGone, match=r"has no .*_id: .*wandb-workspaces==\d"):
        wandb_internals.set_id(SimpleNamespace(), "x")
    monkeypatch.setitem(sys.modules, "wandb.sdk.lib.wbauth", None)
    with pytest.raises(wandb_internals.InternalGone, match=r"authenticate_session: .*wandb==\d"):
        wandb_internals.has_credentials("https://w.example")


def test_no_other_file_uses_them() -> None:
    private = ("_to_model", "._internal_", "._id ", "wandb.sdk", "wandb.proto", "wandb.util")
    folder = Path(wandb_internals.__file__).parent
    used = [
        f"{path.name}: {name}"
        for path in folder.glob("*.py")
        for name in private
        if path.name != "wandb_internals.py" and name in path.read_text(encoding="utf-8")
    ]
    assert used == []


def test_a_run_begins_without_launch_unless_that_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, module = wandb_internals._JOB_INPUTS, "wandb.sdk.launch.inputs.internal"
    asked: list[object] = []

    def of_wandb(run: object) -> None:
        asked.append(run)

    assert hasattr(wandb.Run, name), hint("wandb")
    of_wandb.__name__ = name
    monkeypatch.setattr(wandb.Run, name, of_wandb)
    wandb_internals.spare_launch()
    wandb_internals.spare_launch()  # once is enough
    ask = getattr(wandb.Run, name)
    monkeypatch.delitem(sys.modules, module, raising=False)
    ask("without")
    monkeypatch.setitem(sys.modules, module, SimpleNamespace())
    ask("with")
    assert asked == ["with"]


def test_what_is_installed_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []

    def of_wandb() -> Iterator[str]:
        looked_up.append("once")
        yield "torch"

    assert hasattr(wandb.util, wandb_internals._PACKAGES), hint("wandb")
    monkeypatch.setattr(wandb.util, wandb_internals._PACKAGES, of_wandb)
    wandb_internals.remember_packages()
    asked = getattr(wandb.util, wandb_internals._PACKAGES)
    assert [*asked(), *asked()] == ["torch", "torch"]
    assert looked_up == ["once"]
