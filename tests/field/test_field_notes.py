"""What W&B is told of a run in words: its tags, its notes, and a command that can be pasted."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from offline_file import of_kind, offline_file
from running import SMALL, completed

from vgglab.runs import RunDirectory
from vgglab.workflow.provenance import command_line
from vgglab.workflow.wandb_cards import replay_offline

TRACKED = (*(o for o in SMALL if o != "tracking=off"), "recipe.epochs=1", "tracking.code=false")
WORDS = ("tracking.tags=[pilot,lab2]", "tracking.notes='first, a = 1'")


def test_a_command_line_can_be_pasted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    typed = [
        "data.root=/home/me/my photos",
        "study.asks='does it, (or not)?'",
        "--config-dir",
        "/home/me",
        "run=[a,b]",
        "data.root=/home/merry",
        "study.paper=",
    ]
    added = ["hydra.mode=RUN", "hydra/launcher=basic"]
    monkeypatch.setattr(sys, "argv", ["/x/run.py", *typed, *added])
    line = command_line()
    assert "/home/me/" not in line
    shell = subprocess.run(
        ["bash", "-c", line.replace("python run.py", 'printf "%s\\n"', 1)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert shell.stdout.splitlines() == typed


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Path:
    folder = tmp_path_factory.mktemp("noted")
    ended = completed(folder, f"paths.data={datasets}", *TRACKED, *WORDS)
    assert ended.returncode == 0, ended.stderr
    (run,) = (folder / "runs").iterdir()
    return run


@pytest.mark.slow
def test_tags_and_notes_go_to_wandb(tracked: Path) -> None:
    (record,) = of_kind(offline_file(tracked), "run")
    assert {"pilot", "lab2", "a", "digits"} <= set(record.tags)
    words, _, command = record.notes.partition("\n\n")
    assert words == "first, a = 1"
    assert shlex.split(command)[2:][-2:] == list(WORDS)


@pytest.mark.slow
def test_a_file_made_anew_has_the_runs_own_command(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = of_kind(offline_file(tracked), "run")
    monkeypatch.setattr(sys, "argv", ["run.py", "task=sync"])
    replay_offline(RunDirectory(tracked))
    (after,) = of_kind(offline_file(tracked), "run")
    assert after.notes == before.notes
    assert "task=sync" not in after.notes


@pytest.mark.slow
def test_words_do_not_make_another_run(tracked: Path, datasets: Path) -> None:
    folder = tracked.parent.parent
    ended = completed(folder, f"paths.data={datasets}", *TRACKED, "tracking.tags=[other]")
    assert ended.returncode == 0, ended.stderr
    assert list((folder / "runs").iterdir()) == [tracked]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("data.root=/x/a=b", "\"data.root='/x/a=b'\""),
        ("data.root=~/b", "\"data.root='~/b'\""),
        ("study.asks=does it, or (not)?", "\"study.asks='does it, or (not)?'\""),
        ("weights=name with, comma=1.pth", "\"weights='name with, comma=1.pth'\""),
        ("data.root=/é#1", "\"data.root='/é#1'\""),
        ("study.asks=is it $5; or 'less'?", shlex.quote(r"study.asks='is it $5; or \'less\'?'")),
    ],
)
def test_how_to_quote_a_value_is_said(typed: str, meant: str, tmp_path: Path) -> None:
    ended = completed(tmp_path, "task=describe", "data=folder", typed)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"error: {typed}: a value with such characters stands in quotes: {meant}"
    ]
    (again,) = shlex.split(meant)
    read = OverridesParser.create().parse_override(again)
    assert f"{read.key_or_group}={read.value()}" == typed


def test_a_comma_is_a_sweep_or_in_quotes(tmp_path: Path) -> None:
    ended = completed(tmp_path, "data=folder", "data.root=/x/a,b", "task=describe")
    assert ended.returncode == 2
    assert "a text with a comma \"data.root='/x/a,b'\"" in ended.stderr
