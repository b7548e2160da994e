"""Whatever is typed behind ``python run.py``: composed and checked, or one line and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from running import ROOT, Command

from vgglab.commands.main import DONE, exit_code_of
from vgglab.config import Config, store
from vgglab.config.store import defaults_of
from vgglab.config.typo import USER_MISTAKE
from vgglab.workflow.compose import checked

QUICK = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, report_multiple_bugs=False
)
LONG = settings(QUICK, max_examples=150)

GROUPS = (
    "model", "norm", "init", "data", "recipe", "protocol", "trainer", "launcher", "tracking",
    "experiments", "sweeps", "claims", "task",
)  # fmt: skip
BELOW = [f"{g}.{f}" for g, v in defaults_of(Config).items() if isinstance(v, dict) for f in v]
FIELDS = (*GROUPS, *BELOW, "seed", "devices", "nodes", "micro_batch", "nonsense")
TEXT = st.one_of(
    st.sampled_from(
        ["", "null", "[]", "{}", "[1,2", "{a:", "${seed}", "${nope}", "${oc.env:HOME}", "a,b",
         "'", "\"", "~", "../../x", "my runs/ä", "1e400", "-1", "0x10", "range(3)", "glob(*)",
         "inf", "nan", "x" * 3_000, "${oc.decode:1}", "???", "off", "e"]
    ),
    st.text(st.characters(exclude_characters="\0"), max_size=12),
)  # fmt: skip
OVERRIDES = st.lists(
    st.one_of(
        st.builds(
            lambda sign, field, text: f"{sign}{field}={text}",
            st.sampled_from(["", "", "", "+", "++", "~"]),
            st.sampled_from(FIELDS),
            TEXT,
        ),
        TEXT,
    ),
    min_size=1,
    max_size=3,
)


@pytest.fixture(scope="module")
def composing() -> Iterator[None]:
    """What ``main`` sets up before a command is composed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VGGLAB_ROOT", str(ROOT))
        store.register()
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            yield


def check(overrides: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    def compose_and_check() -> None:
        checked(compose("config", overrides=overrides))

    code = exit_code_of(compose_and_check)
    words = capsys.readouterr().err
    assert code in (DONE, USER_MISTAKE), (overrides, words)
    if code == USER_MISTAKE:
        (line,) = words.split("\n")[:-1]
        assert line.startswith("error: ")
        assert len(line) < 3_000
    else:
        assert words == ""


@pytest.mark.parametrize(
    "examples", [QUICK, pytest.param(LONG, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_anything_typed(
    examples: settings, composing: None, capsys: pytest.CaptureFixture[str]
) -> None:
    @examples
    @given(OVERRIDES)
    def each(overrides: list[str]) -> None:
        check(overrides, capsys)

    each()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["paths.runs=file"], 'paths.runs = "file": file is a file'),
        (["paths.runs=file/runs"], "file is a file, and no folder"),
        (["task=evaluate", "run=../../x"], "run=x: not in ../..; task=runs lists"),
        ([f"paths.studies={'x' * 300}"], "File name too long"),
        (["study.name='<script>'"], "must be 1 to 64 letters"),
        (["model.width=1e-300", "micro_batch=auto", "trainer.accumulate=2"], "set one of them"),
    ],
)
def test_the_real_command_says_one_line_and_writes_nothing(
    overrides: list[str], message: str, command: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    ended = command(*overrides)
    assert ended.returncode == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert message in line
    assert {path.name for path in tmp_path.iterdir()} == {"file"}
