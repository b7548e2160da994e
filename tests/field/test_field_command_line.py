"""B: what people's terminals, pipes, YAML files and habits do to a command."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from running import ROOT, SMALL, another_home, command_environment, completed

from vgglab import checkout
from vgglab.commands.main import check_arguments, overrides_last, with_user_folder
from vgglab.config.parse import ConfigError
from vgglab.config.wandb_variables import notes
from vgglab.config.yaml_files import check_chosen, check_yaml


def in_a_shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """A line of bash, in which RUN is ``python run.py``; it leaves with RUN's exit code."""
    run = shlex.join([sys.executable, str(ROOT / "run.py")])
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("RUN", run)],
        cwd=folder,
        env=command_environment(),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "line",
    [
        "RUN task=describe | head -1",
        "RUN task=describe >&-",
        "RUN task=describe >&- 2>&- <&-",
        "RUN task=describe format=json 2>&1 | true",
    ],
)
def test_output_that_nobody_reads(line: str, tmp_path: Path) -> None:
    said = in_a_shell(tmp_path, line)
    assert (said.returncode, said.stderr) == (0, "")


def test_a_refusal_that_nobody_reads_keeps_its_exit_code(tmp_path: Path) -> None:
    assert in_a_shell(tmp_path, "RUN task=describe model=zz 2>&-").returncode == 2


@pytest.mark.slow
def test_a_run_outlives_its_reader(tmp_path: Path, datasets: Path) -> None:
    fields = shlex.join([f"paths.data={datasets}", *SMALL])
    said = in_a_shell(tmp_path, f"RUN {fields} 2>&1 | true")
    assert said.returncode == 0
    (status,) = tmp_path.glob("runs/*/status.json")
    assert '"finished"' in status.read_text()


def test_a_terminal_that_knows_ascii_alone(tmp_path: Path) -> None:
    ascii_alone = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    said = completed(tmp_path, "task=runs", "paths.runs='läufe'", variables=ascii_alone)
    assert said.returncode == 0, said.stderr
    assert said.stdout == "no runs in l\\xe4ufe\n"
    said = completed(tmp_path, "task=describe", "model='ä'", variables=ascii_alone)
    assert said.returncode == 2
    assert said.stderr.startswith("error: model=\\xe4: must be one of")


def bomb() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed: " + b"[" * 5_000 + b"]" * 5_000, "line 1: more than 50 blocks or brackets"),
        (b"seed: " + b"{a: " * 5_000, "line 1: more than 50 blocks or brackets"),
        (b"\tseed: 1\n", r"line 1, column 1: found character '\\t'"),
        (b"seed: 1\n---\nseed: 2\n", "line 2: a second document"),
        (b"recipe: &a\n  epochs: *a\n", r"line 2: \*a is within itself"),
        (b"# caf\xe9\nseed: 1\n", "not UTF-8, at byte 5"),
        (bomb().encode(), "more than 100,000 values, repeated ones included"),
        (b"seed: [1\n", "line 2, column 1: expected ',' or ']'"),
        (b"seed: *b\n", ""),
        (b"seed: \x01\n", "special characters are not allowed"),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_a_yaml_file_that_cannot_be_read(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "experiments" / "mine.yaml"
    path.parent.mkdir()
    path.write_bytes(content)
    if not message:  # left to the parser, which names the line
        check_yaml(path)
        return
    with pytest.raises(ConfigError, match=message) as caught:
        check_chosen(["model=a", "experiments=[other,mine]"], [tmp_path])
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    check_chosen(["model=mine", "experiments=other", "x" * 5_000, "a=\0"], [tmp_path])


@pytest.mark.parametrize(
    "chooser",
    [
        "defaults: [/model: bomb]",
        "defaults: [{override /model: bomb}, _self_]",
        "defaults: [/model/bomb]",
        "defaults: [second]",
        "defaults: [{/model: [a, bomb]}]",
        "hydra: {sweeper: {params: {model: 'a,bomb'}}}",
    ],
)
def test_a_bomb_in_a_file_that_another_one_names(chooser: str, tmp_path: Path) -> None:
    for group, name, content in (
        ("experiments", "mine", f"# @package _global_\n{chooser}\n"),
        ("experiments", "second", "defaults: [/model: bomb, mine]\n"),
        ("model", "bomb", bomb()),
    ):
        (tmp_path / group).mkdir(exist_ok=True)
        (tmp_path / group / f"{name}.yaml").write_text(content)
    with pytest.raises(ConfigError, match=r"model/bomb\.yaml: .*more than 100,000 values"):
        check_chosen(["experiments=mine"], [tmp_path])
    check_chosen(["model=a"], [tmp_path])


def test_our_own_yaml_files_can_be_read() -> None:
    paths = [p for folder in ("conf", "sweeps", "experiments") for p in (ROOT / folder).rglob("*")]
    for path in (p for p in paths if p.suffix == ".yaml"):
        check_yaml(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [("seed: 1\nseed: 2\n", "found duplicate key seed"), ("\tseed: 1\n", "found character '\\t'")],
)
def test_a_command_says_it_in_a_line(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine" / "experiments" / "x.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(f"# @package _global_\n{content}")
    said = completed(tmp_path, "--config-dir", "mine", "experiments=x", "task=describe")
    assert said.returncode == 2
    assert message in said.stderr
    assert "x.yaml" in said.stderr
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-m", "model=a,b", "--cfg", "job"), "-m --cfg: shows one run's config; leave out -m"),
        (("--multirun", "model=a,b", "-c", "job"), "-m -c: shows one run's config"),
        (("--cfg", "hydra", "--resolve"), "use --cfg all"),
        (("-m", "hydra.sweeper=optuna"), "hydra.sweeper=optuna: is chosen by hydra/sweeper=optuna"),
        (("hydra.launcher=x",), "hydra.launcher=x: is chosen by hydra/launcher=x"),
    ],
)
def test_what_hydra_cannot_do_is_said(
    arguments: Sequence[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        check_arguments(arguments, ROOT)
    assert message in str(caught.value)
    check_arguments(["--cfg", "job", "--resolve", "model=a"], ROOT)


@pytest.mark.parametrize(
    ("arguments", "as_hydra_takes_them"),
    [
        ("model=a,d -m seed=0,1", "-m model=a,d seed=0,1"),
        ("model=d --cfg job ~data seed=1", "--cfg job model=d ~data seed=1"),
        ("model=d -c job seed=1", "--cfg job model=d seed=1"),
        ("model=d --info config -cd mine seed=1", "--config-dir mine --info config model=d seed=1"),
    ],
)
def test_flags_may_stand_between_overrides(
    arguments: str, as_hydra_takes_them: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(checkout.USER_FOLDER, "")
    found = overrides_last(with_user_folder(arguments.split()))
    assert found == as_hydra_takes_them.split()


@pytest.mark.parametrize("address", ["myserver:8080", "http://", "ftp://x", "https:/x", "x y"])
def test_an_address_without_a_scheme(address: str) -> None:
    with pytest.raises(ConfigError, match=r"WANDB_BASE_URL = .*: must begin with http://"):
        notes([], {"WANDB_BASE_URL": address})
    assert notes(["tracking=off"], {"WANDB_BASE_URL": address}) == []
    assert notes([], {"WANDB_BASE_URL": "http://localhost:8080/x"}) == []


def test_a_refused_study_leaves_nothing(tmp_path: Path) -> None:
    said = completed(tmp_path, "-m", "model=a,b", "study.name=mine", "recipe.epochs=-1")
    assert said.returncode == 2
    assert not list(tmp_path.iterdir())
    kept = tmp_path / "studies" / "mine" / "multirun.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("of the study that was accepted")
    assert completed(tmp_path, "-m", "model=a,b", "study.name=mine", "seed=x").returncode == 2
    assert kept.read_text() == "of the study that was accepted"


def test_studies_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = completed(tmp_path, "-m", "model=a,b", "study.name=x", "paths.studies=file")
    assert said.returncode == 2
    assert said.stderr == (
        f'error: paths.studies = "file": nothing can be made in {tmp_path / "file"} (Not a '
        "directory); name a folder that can be written\n"
    )


@pytest.mark.parametrize("data", ["folder", "imagenet", "imagenette"])
def test_a_home_of_nobody(data: str, tmp_path: Path) -> None:
    said = completed(tmp_path, "task=prepare", f"data={data}", "data.root='~nosuchuser/x'")
    assert said.returncode == 2
    assert said.stderr == "error: data.root = ~nosuchuser/x: there is no such user\n"


@pytest.mark.parametrize("what", [("task=prepare",), ("tracking=off",), ("-m", "model=a,b")])
def test_a_folder_that_may_not_be_written(what: Sequence[str], tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    powers = shlex.join(["setpriv", "--bounding-set=-all", "--inh-caps=-all"])  # of root
    as_user = powers if os.geteuid() == 0 else ""
    said = in_a_shell(folder, f"{as_user} RUN {shlex.join(what)}")
    assert said.returncode == 2
    assert re.match(r'error: paths\.\w+ = "\w+": nothing can be made in ', said.stderr)
    assert said.stderr.endswith("(Permission denied); name a folder that can be written\n")
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("field", ["paths.runs", "paths.studies", "paths.data", "weights"])
def test_a_home_of_nobody_in_other_fields(field: str, tmp_path: Path) -> None:
    said = completed(tmp_path, "task=runs", f"{field}='~nosuchuser/x'")
    assert said.returncode == 2
    assert said.stderr == f"error: {field} = ~nosuchuser/x: there is no such user\n"


@pytest.mark.slow
def test_folders_in_the_home(tmp_path: Path, datasets: Path) -> None:
    """In quotes the shell leaves ``~`` as it is, and so does a YAML file."""
    home, folder = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    folder.mkdir()
    (home / "data").symlink_to(datasets)
    paths = [f"paths.{name}='~/{name}'" for name in ("runs", "studies", "data")]
    fields = (*paths, *SMALL, "recipe.epochs=1", "study.name=mine")
    variables = another_home(home)
    said = completed(folder, "-m", "seed=0,1", *fields, variables=variables)
    assert said.returncode == 0, said.stderr
    assert not list(folder.iterdir())
    assert len(list((home / "runs").iterdir())) == 2
    assert (home / "studies" / "mine" / "report.html").exists()
    listed = completed(folder, "task=runs", "study.name=mine", *paths, variables=variables)
    assert listed.stdout.count("finished") == 2
    said = completed(folder, "task=prepare", "prepare.copy='~/copy'", *paths, variables=variables)
    assert said.returncode == 2
    assert not list(folder.iterdir())
