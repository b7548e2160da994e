"""``task=verify``: a run is interrupted at every kind of moment and comes out the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import SMALL, Command, grid

from vgglab.commands.verify import verify
from vgglab.config.parse import ConfigError, parse
from vgglab.runs import RunDirectory, State, Status
from vgglab.verify.boundaries import BOUNDARIES
from vgglab.verify.compare import PARTS


@pytest.mark.slow
def test_a_run_gets_its_certificate_and_the_report_cites_it(
    command: Command, tmp_path: Path
) -> None:
    study = ("sweeps=depth", *SMALL, "data=digits", *grid(model="a", seed="0"))
    assert command("-m", *study).returncode == 0
    (run,) = (tmp_path / "runs").iterdir()
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*") if not p.name.startswith(".lock")}
    page = tmp_path / "studies" / "depth" / "report.md"
    assert "Resume verified" not in page.read_text()

    ended = command("task=verify", f"run={run.name}", timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("all equal") == len(BOUNDARIES)
    certificate = json.loads((run / "verify.json").read_text())
    assert certificate["equal"] is True
    assert certificate["compared"] == list(PARTS)
    assert certificate["recorded_different"] == []  # the run itself has these bits too
    assert [row["where"] for row in certificate["interruptions"]] == [b.name for b in BOUNDARIES]
    assert {row["signal"] for row in certificate["interruptions"]} == {"SIGKILL", "SIGTERM"}
    assert certificate["versions"].keys() >= {"python", "torch"}
    assert before.items() <= {p: p.stat().st_mtime_ns for p in run.rglob("*")}.items()
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "studies"}

    assert command("task=report", *study).returncode == 0
    said = f"Resume verified for run {run.name}: all equal, to the bit (7 interruptions of 2 epochs"
    assert said in page.read_text()
    assert said in page.with_suffix(".html").read_text()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ((), r"task=verify needs run=<id>"),
        ("b-s0-0", r"run=b-s0-0: not in .*; task=runs lists"),
        ("../elsewhere", r"run=elsewhere: not in \.\.; task=runs lists"),
        ("a-s0-0", r"run=a-s0-0: interrupted: only a finished run is verified"),
    ],
)
def test_what_cannot_be_verified_is_the_users_mistake(
    run: str | tuple[str, ...], message: str, tmp_path: Path
) -> None:
    there = RunDirectory(tmp_path / "a-s0-0")
    Status(state=State.INTERRUPTED).write(there.status)
    there.config.write_text("seed: 0\n")
    config = parse({"run": run, "data": {"name": "digits"}, "paths": {"runs": str(tmp_path)}})
    with pytest.raises(ConfigError, match=message):
        verify(config)
