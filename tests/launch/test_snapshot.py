"""Copies of a checkout: of what, named by what, and what two processes make of one."""

from __future__ import annotations

import json
import os
import py_compile
import subprocess
import sys
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from running import ROOT

from vgglab import checkout
from vgglab.config.parse import ConfigError
from vgglab.launch.snapshot import MOST_CONFIGS, copies_of, copy, files_of, is_private, keep, remove
from vgglab.workflow import provenance

ABOUT = {"commit": "c0ffee", "checkout": "/there", "config_dir": "", "source": "5eed"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with little in it."""
    folder = tmp_path / "checkout"
    for name in ("src/vgglab/a.py", "conf/model/a.yaml", "run.py", "runs/a-s0/config.yaml"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"of = {name!r}\n")
    return folder


def kept(root: Path, study: Path, user: Path | None = None) -> Path:
    made = copy(files_of(root, user), ABOUT, study)
    return keep(made) if is_private(made) else made


def test_it_has_the_source_and_nothing_else_of_a_checkout(root: Path, tmp_path: Path) -> None:
    for name in ("src/.hidden.py", "src/.git/config", "src/vgglab.egg-info/x", "src/~"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("")
    (root / "src" / "vgglab" / ".#a.py").symlink_to("nobody@nowhere")  # of an editor that is open
    (root / "conf" / "back").symlink_to(root / "conf")
    user = tmp_path / "mine"
    for name in ("experiments/x.yaml", "notes.txt", "runs/a-s0/config.yaml", ".venv/x.yaml"):
        (user / name).parent.mkdir(parents=True, exist_ok=True)
        (user / name).write_text("")
    found = files_of(root, user, [user / "runs"])
    assert list(found) == [
        "conf/model/a.yaml",
        "config-dir/experiments/x.yaml",
        "run.py",
        "src/vgglab/a.py",
        "src/~",
    ]


def test_a_folder_that_holds_more_than_configs_is_refused(root: Path, tmp_path: Path) -> None:
    user = tmp_path / "home"
    user.mkdir()
    for number in range(MOST_CONFIGS + 1):
        (user / f"{number}.yaml").touch()
    with pytest.raises(ConfigError, match=f"--config-dir {user}: more than {MOST_CONFIGS} YAML"):
        files_of(root, user)


def test_each_content_is_copied_once(root: Path, tmp_path: Path) -> None:
    study, module = tmp_path / "studies" / "x", root / "src" / "vgglab" / "a.py"
    first = kept(root, study)
    assert kept(root, study) == first
    assert json.loads((first / checkout.NOTE).read_text()) == ABOUT
    before = module.read_text()
    module.write_text("edited = True\n")
    second = kept(root, study)
    assert {first, second} == set((study / "source").iterdir())
    assert copies_of(study) == {first: "5eed", second: "5eed"}
    assert [*copies_of(study)] == [first, second]
    assert [(c / "src/vgglab/a.py").read_text() for c in (first, second)] == [
        before,
        "edited = True\n",
    ]
    module.write_text(before)
    assert kept(root, study) == first
    user = tmp_path / "mine"
    user.mkdir()
    (user / "own.yaml").write_text("a: 1")
    assert kept(root, study, user) not in (first, second)


def test_of_two_that_launch_at_once_both_have_the_same(root: Path, tmp_path: Path) -> None:
    study = tmp_path / "studies" / "x"
    one, other = (copy(files_of(root, None), ABOUT, study) for _ in range(2))
    assert one != other
    assert keep(one) == keep(other)
    (only,) = (study / "source").iterdir()
    assert (only / "run.py").read_text() == (root / "run.py").read_text()


def test_a_copy_is_named_by_what_it_has_and_not_by_what_was_there_before(
    root: Path, tmp_path: Path
) -> None:
    study = tmp_path / "studies" / "x"
    files = files_of(root, None)
    made = copy(files, ABOUT, study)
    (made / "run.py").write_text("as if edited while it was copied")
    assert keep(made).name != kept(root, study).name


def test_one_that_no_point_needs_leaves_nothing(root: Path, tmp_path: Path) -> None:
    study = tmp_path / "studies" / "x"
    study.mkdir(parents=True)
    remove(copy(files_of(root, None), ABOUT, study))
    assert list(study.iterdir()) == []


def test_what_is_compiled_stays_compiled(root: Path, tmp_path: Path) -> None:
    module = root / "src" / "vgglab" / "a.py"
    py_compile.compile(str(module), doraise=True)
    there = kept(root, tmp_path / "x") / "src" / "vgglab" / "a.py"
    asked = "import sys; sys.path.insert(0, sys.argv[1]); import a; print(a.__cached__)"
    # It says so itself where it has to compile: then nothing would be kept of that.
    ended = subprocess.run(
        [sys.executable, "-B", "-v", "-c", asked, str(there.parent)],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
    )
    assert ended.stdout.strip() == cache_from_source(str(there))
    assert f"# code object from {ended.stdout.strip()!r}" in ended.stderr


def test_a_process_knows_by_its_folder_what_it_runs_from(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (checkout.VARIABLE, checkout.USER_FOLDER, checkout.PYTHONPATH):
        monkeypatch.setenv(name, "")
    user = tmp_path / "mine"
    user.mkdir()
    (user / "own.yaml").write_text("a: 1")
    monkeypatch.setenv("HOME", str(tmp_path))
    about = {"commit": "c0ffee+changes", "checkout": "~/checkout", "config_dir": "~/mine"}
    made = keep(copy(files_of(root, user), about, tmp_path / "x"))
    for cached in (provenance.commit, provenance.source):
        cached.cache_clear()
    checkout.enter(root)
    assert (checkout.note(), checkout.origin()) == (None, root)
    ours = provenance.source()
    provenance.source.cache_clear()
    provenance.commit.cache_clear()
    checkout.enter(made)
    try:
        assert (checkout.root(), checkout.origin()) == (made, root)
        assert os.environ[checkout.USER_FOLDER] == str(made / "config-dir")
        assert os.environ[checkout.PYTHONPATH].split(os.pathsep)[0] == str(made / "src")
        assert provenance.commit() == "c0ffee+changes"
        assert provenance.source() != ours  # of the copy, which has next to nothing in it
        monkeypatch.setattr(
            sys, "argv", ["run.py", "--config-dir", str(made / "config-dir"), "a=1"]
        )
        assert provenance.command_line() == 'python run.py --config-dir "$HOME"/mine a=1'
    finally:
        for cached in (provenance.commit, provenance.source):
            cached.cache_clear()


def test_run_py_has_the_source_beside_it(root: Path) -> None:
    (root / "run.py").write_bytes((ROOT / "run.py").read_bytes())
    package = root / "src" / "vgglab"
    (package / "__init__.py").touch()
    for room, module, function in (
        ("launch", "point", "note_signals"),
        ("config", "typo", "leave_at_a_typo"),
        ("commands", "main", "main"),
    ):
        (package / room).mkdir(exist_ok=True)
        (package / room / "__init__.py").touch()
        (package / room / f"{module}.py").write_text(
            f"def {function}(*given):\n    print(*given)\n"
        )
    ended = subprocess.run(
        [sys.executable, str(root / "run.py")], capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines() == ["", str(root), str(root)]
