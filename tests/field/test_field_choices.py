"""A list of names where one is meant is refused: Hydra would merge the files unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import completed


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=[a,b]", "task=describe"], "-m model=a,b"),
        (["norm=[none,batch]", "task=describe"], "-m norm=none,batch"),
        (["data=[digits,cifar10]", "task=describe"], "-m data=digits,cifar10"),
        (["experiments=[laptop,cifar10]", "task=describe"], "-m experiments=laptop,cifar10"),
        (["model=['a', 'b']"], "-m model=a,b"),
        (["model=[a]"], "model=[a]: takes one name, and no list, such as model=a"),
        (["model=[]"], "model=[]: takes one name"),
        (["trainer=[cpu,gpu]"], "trainer=[cpu,gpu]: takes one name"),
        (["tracking=[off,offline]"], "takes one name"),
        (["task=[describe,plan]"], "task=[describe,plan]: takes one name"),
        (["sweeps=[depth,layers]", "task=plan"], "sweeps=[depth,layers]: takes one name"),
        (["-m", "model=[a,b],c"], "-m model=a,b"),
        (["-m", "model=[a,b]", "seed=0,1"], "-m model=a,b"),
        (["-m", "hydra/launcher=[basic,processes]", "model=a,b"], "takes one name"),
        (["model=a,b"], "model=a,b: a run of each is a sweep: -m model=a,b; a list is"),
        (["recipe.epochs=[1,2]"], "must be a valid integer; a run of each is a sweep: -m recipe"),
        (["study.name=[a,b]"], "-m study.name=a,b"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_list_where_one_name_is_meant_is_refused(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    ended = completed(tmp_path, *overrides)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert message in line
    assert not (tmp_path / "runs").exists()


def test_a_list_in_a_users_own_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "experiments").mkdir(parents=True)
    text = "# @package _global_\ndefaults:\n  - override /model: [a, b]\n"
    (folder / "experiments" / "both.yaml").write_text(text)
    ended = completed(tmp_path, "--config-dir", str(folder), "experiments=both", "task=describe")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: model: takes one name, and no list")


def test_claims_of_two_files_are_one_choice(tmp_path: Path) -> None:
    ended = completed(
        tmp_path, "claims=[few,best_depth]", "task=describe", "model=a", "format=json"
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["task=diff", "sweeps=[old,new]"], "sweeps=old: no study in studies/old"),
        (["task=diff", "run=[a,b]"], "run=a: not in runs"),
        (["task=evaluate", "run=a"], "run=a: not in runs"),
        (["task=evaluate", "weights=a.pth"], "a.pth"),
        (["task=judge", "table=a.csv"], "a.csv"),
        (["task=describe", "format=jsn"], 'format = "jsn"'),
        (["task=describe", "docs=x"], "docs: no such field; allowed: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_folder_named_as_a_field_does_not_hide_the_field(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    # A checkout has a folder studies/ after its first study: its folders are Hydra's groups, too.
    for field in ("studies", "run", "weights", "table", "format"):
        (tmp_path / "mine" / field).mkdir(parents=True)
    ended = completed(tmp_path, "--config-dir", "mine", *overrides)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert message in ended.stderr
