"""``task=sync`` says of each run that it was uploaded, what was sent, and how long the rest takes.

That it does so against a server is in tests/tracking/test_server.py.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from report_runs import make_study

from vgglab.commands.sync import Progress, elsewhere, place_of
from vgglab.config import TrackingConfig
from vgglab.tracking.cards import columns


def test_a_line_a_run_with_its_size_and_an_estimate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attempts = {}
    for name in ("a-s0", "a-s1", "b-s0"):
        attempts[name] = [tmp_path / name / "offline-run-1"]
        attempts[name][0].mkdir(parents=True)
        (attempts[name][0] / "run-1.wandb").write_bytes(bytes(2_000_000))
    progress = Progress(attempts)
    progress.look()
    assert capsys.readouterr().out == ""
    assert progress.to_send == 6_000_000
    (attempts["a-s1"][0] / "run-1.wandb.synced").touch()
    progress.look()
    progress.look()  # says it once
    said = capsys.readouterr().out
    expected = r"uploaded a-s1 \(1 of 3, 2.0 MB; the rest, 4.0 MB, in about \d+ s\)\n"
    assert re.fullmatch(expected, said)
    for name in ("a-s0", "b-s0"):
        (attempts[name][0] / "run-1.wandb.synced").touch()
    progress.look()
    assert capsys.readouterr().out.endswith("uploaded b-s0 (3 of 3, 2.0 MB)\n")
    assert progress.uploaded == attempts.keys()


def test_config_has_flat_keys_that_no_override_is_named_like() -> None:
    tree = {"model": {"name": "a", "blocks": [[64]]}, "seed": 0, "recipe": {"lr": 0.1, "no": None}}
    assert columns(tree) == {"cfg/model/name": "a", "cfg/seed": 0, "cfg/recipe/lr": 0.1}


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ([], {}),
        (["tracking.project=mine"], {"project": "mine"}),
        (["+tracking.entity=lab", "study.name=x"], {"entity": "lab"}),
        (["tracking.entity=null"], {}),
    ],
)
def test_the_command_names_a_place_where_it_is_typed(
    typed: list[str], found: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where it is a default, or WANDB_PROJECT's: each run was launched for a place."""
    hydra = OmegaConf.create({"overrides": {"task": typed}})
    monkeypatch.setattr(HydraConfig, "get", lambda: hydra)
    entity = None if "tracking.entity=null" in typed else "lab"
    assert elsewhere(TrackingConfig(project="mine", entity=entity)) == found


def test_the_studys_own_run_goes_where_its_runs_go(tmp_path: Path) -> None:
    """It links to them."""
    view = make_study(tmp_path, models=("a", "b"))
    places = {"b": TrackingConfig(project="other"), "a": TrackingConfig(project="p", entity="e")}
    runs = [
        replace(run, config=replace(run.config, tracking=places[run.config.model.name]))
        for run in view.runs
    ]
    shared = [r for r in runs if r.config.model.name == "b" and r.config.seed]  # two
    lent = [
        replace(r, config=replace(r.config, study=replace(r.config.study, name="x")))
        for r in shared
    ]
    view = replace(view, runs=[*runs[:3], *lent])
    mine = TrackingConfig(project="typed")
    assert place_of(view, mine, {}) == TrackingConfig(project="p", entity="e")
    assert place_of(view, mine, {"project": "typed"}) == TrackingConfig(project="typed", entity="e")
    assert place_of(replace(view, runs=lent), mine, {}) == mine
