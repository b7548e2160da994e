"""The file of the command that launched a study: whole or the one before, and what if it is not."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from running import completed

from hydra_plugins import vgglab_sweeper
from vgglab.config.parse import ConfigError
from vgglab.workflow.launched import command_in, refuse_another_sweep, refuse_other_lists

WHOLE = """hydra:
  sweeper:
    params: {seed: '0,1'}
  overrides:
    task:
    - study.name=mine
    - model=a
study:
  name: mine
"""
record: Any = getattr(vgglab_sweeper, "_record")  # noqa: B009


@pytest.mark.parametrize("error", [None, ConfigError("no such net")])
def test_it_is_replaced_in_one_step(error: Exception | None, tmp_path: Path) -> None:
    path, same = tmp_path / "multirun.yaml", tmp_path / "same"
    path.write_text("of an earlier launch\n")
    os.link(path, same)
    with contextlib.suppress(ConfigError), record(path, OmegaConf.create({"seed": 0})):
        assert path.read_text() == "seed: 0\n"
        if error is not None:
            raise error
    assert path.read_text() == ("seed: 0\n" if error is None else "of an earlier launch\n")
    # Nobody has written into the file that was there.
    assert same.read_text() == "of an earlier launch\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["multirun.yaml", "same"]


def test_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "multirun.yaml"
    path.write_text(WHOLE)
    assert command_in(path) == ({"seed": "0,1"}, ["study.name=mine", "model=a"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        WHOLE[:25],
        WHOLE.partition("    - study")[0],
        WHOLE.partition("    - model")[0],
        WHOLE.replace("{seed: '0,1'}", "seed"),
        "hydra: [",
        "\x00\xff",
    ],
)
def test_a_damaged_one_is_one_line_that_says_what_to_do(text: str, tmp_path: Path) -> None:
    path = tmp_path / "multirun.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        command_in(path)
    assert str(caught.value).startswith(f"{path}: damaged (")
    assert str(caught.value).endswith("; launch the study again with its full command")


def test_another_sweep_than_that_of_the_launch_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one" / "multirun.yaml"
    refuse_another_sweep(path, "other")  # it was not launched
    path.parent.mkdir()
    for launched, said in (("depth", "with sweeps=depth"), ("null", "without sweeps=")):
        path = path.with_name(f"{launched}.yaml")
        choices = f"hydra:\n  runtime:\n    choices: {{sweeps: {launched}}}\n"
        path.write_text(WHOLE.replace("hydra:\n", choices))
        refuse_another_sweep(path, {"null": None}.get(launched, launched))
        with pytest.raises(ConfigError, match=f"study.name=one was launched {said}, and not with"):
            refuse_another_sweep(path, "other")


def test_a_report_of_another_sweep_leaves_a_study_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "studies" / "one" / "multirun.yaml"
    path.parent.mkdir(parents=True)
    choices = "hydra:\n  runtime:\n    choices: {sweeps: depth}\n"
    path.write_text(WHOLE.replace("hydra:\n", choices))
    for task in ("report", "runs"):
        said = completed(tmp_path, f"task={task}", "study.name=one", "sweeps=quickstart")
        assert said.returncode == 2
        assert "study.name=one was launched with sweeps=depth" in said.stderr
        assert said.stderr.count("\n") == 1
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.slow
def test_a_sweep_is_its_file_and_a_study_by_its_name_is_its_last_launch(tmp_path: Path) -> None:
    """Of a sweep that was launched with one net and one seed of six."""
    path = tmp_path / "studies" / "quickstart" / "multirun.yaml"
    path.parent.mkdir(parents=True)
    choices = "hydra:\n  runtime:\n    choices: {sweeps: quickstart}\n"
    launched = WHOLE.replace("hydra:\n", choices).replace("study.name=mine", "sweeps=quickstart")
    path.write_text(launched.replace("seed: '0,1'", "seed: '0'"))
    for named, points in (("study.name=quickstart", 1), ("sweeps=quickstart", 36)):
        said = completed(tmp_path, "task=runs", named, "study.looks=[]", "format=csv")
        assert said.returncode == 0, said.stderr
        assert len(said.stdout.splitlines()) == 1 + points


LISTS = WHOLE.replace("{seed: '0,1'}", "{seed: range(2), model: 'e,a', norm: batch}")
"""Launched with ``-m``, a sweep of which ``model=a`` has taken one net."""


@pytest.mark.parametrize(
    ("params", "own", "said"),
    [
        ({"seed": "0,1", "model": "a", "norm": "batch"}, [], ""),
        ({"seed": "1,0", "model": "e,a", "norm": "batch"}, ["model=a"], ""),
        ({"seed": "0,1", "model": "e,a", "norm": "batch"}, ["model=e"], ""),  # a part, as typed
        ({"seed": "0,1,2", "model": "a", "norm": "batch"}, [], "seed=0,1 and not 0,1,2"),
        ({"seed": "0,1", "model": "e,a"}, [], "model=a and not e,a; norm=batch"),
        (
            {"seed": "0,1", "model": "a", "norm": "batch", "+init": "he,glorot"},
            [],
            "no list of init and not he,glorot",
        ),
        (
            {"model": "a", "norm": "batch", "seed": "range(99)"},
            [],
            "seed=0,1 and not 0,1,2,.*\\.\\.\\.; leave out",
        ),
    ],
)
def test_other_lists_than_those_of_the_launch_are_named(
    params: dict[str, str], own: list[str], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine" / "multirun.yaml"
    refuse_other_lists(path, params, own)  # it was not launched
    path.parent.mkdir()
    path.write_text(LISTS)
    if not said:
        refuse_other_lists(path, params, own)
        return
    with pytest.raises(ConfigError, match=f"^study.name=mine was launched with {said}"):
        refuse_other_lists(path, params, own)


def test_a_report_of_another_grid_leaves_a_study_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "studies" / "one" / "multirun.yaml"
    path.parent.mkdir(parents=True)
    choices = "hydra:\n  runtime:\n    choices: {sweeps: depth}\n"
    path.write_text(WHOLE.replace("hydra:\n", choices).replace("study.name=mine", "study.name=one"))
    smaller = "hydra.sweeper.params.seed='0'"
    for task in ("report", "prune"):
        said = completed(tmp_path, f"task={task}", "study.name=one", "sweeps=depth", smaller)
        assert said.returncode == 2, said.stdout
        assert said.stderr.startswith("error: study.name=one was launched with seed=0,1 and not 0")
        assert said.stderr.count("\n") == 1
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.slow
def test_a_command_about_a_study_whose_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "studies" / "mine" / "multirun.yaml"
    path.parent.mkdir(parents=True)
    path.touch()
    said = completed(tmp_path, "task=report", "study.name=mine")
    assert said.returncode == 2
    assert said.stderr.startswith("error: studies/mine/multirun.yaml: damaged (")
    assert said.stderr.count("\n") == 1
