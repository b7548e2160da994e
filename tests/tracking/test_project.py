"""Runs of a W&B project as a table: what is read of them, and what is left out.

W&B's own client is tried against a server that answers its one question (``wandb_api_stub``);
openwandb does not.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from running import completed
from wandb_api_stub import run_of, serve_runs
from wandb_server import MISSING, TOOLS, Lab

from vgglab.commands.judge import judge
from vgglab.config.parse import ConfigError, parse
from vgglab.tracking import server
from vgglab.tracking.project import Keys, rows_of

KEYS = Keys(arm="cfg/arm", seed="cfg/seed", error="test/center/top1_error")
REPORT = run_of("report", 0, None, id="report-depth", config={"cfg": {"arm": "report"}})
RUNS = [
    *(run_of("a", seed, error) for seed, error in enumerate((6.0, 6.2, 6.1))),
    *(run_of("b", seed, error) for seed, error in enumerate((3.0, 3.1, 2.9))),
    run_of("b", 3, None, summary={"outcome": "diverged"}, state="failed"),
    run_of("a", 4, 1.0, "running"),
    run_of("a", 5, 1.0, "crashed"),
    REPORT,
]
LEFT_OUT = "1 running, 1 crashed, 1 without cfg/seed"


def of_client(*runs: dict[str, Any]) -> list[Any]:
    """As W&B's client has them."""
    return [SimpleNamespace(**run, summary_metrics=run["summary"]) for run in runs]


def test_finished_runs_are_rows_and_the_others_are_counted() -> None:
    found = rows_of(of_client(*RUNS), KEYS)
    rows = dict(found.rows)
    assert list(rows) == [f"a-s{s}" for s in range(3)] + [f"b-s{s}" for s in range(4)]
    assert rows["a-s1"] == {"arm": "a", "seed": "1", "error": "6.2", "images": "5000"}
    assert rows["b-s3"] == {"arm": "b", "seed": "3", "error": "", "images": ""}
    assert found.left_out == {"running": 1, "crashed": 1, "without cfg/seed": 1}


def test_keys_of_others_are_found_in_nested_values() -> None:
    run = {
        "id": "x",
        "state": "finished",
        "group": None,
        "config": {"model": {"name": "net"}, "seed": 3.0},
        "summary": {"val": {"loss": {"min": 0.25}}, "val/acc": 0.9, "images": 50},
    }
    keys = Keys(arm="model.name", seed="seed", error="val.loss.min")
    assert rows_of(of_client(run), keys).rows == (
        ("x", {"arm": "net", "seed": "3", "error": "0.25"}),
    )
    counted = rows_of(of_client(run, run), Keys(arm="model/name", seed="", error="val/acc"))
    assert [row for _, row in counted.rows] == [{"arm": "net", "error": "0.9"}] * 2
    assert rows_of(of_client(run), keys, group="mine").left_out == {"of another group": 1}
    # What is a table of numbers, and no number, is no error.
    whole = Keys(arm="model.name", seed="seed", error="val.loss")
    assert rows_of(of_client(run), whole).left_out == {"without val.loss": 1}


@pytest.mark.parametrize("error", [float("nan"), float("inf"), "NaN", "Infinity"])
def test_a_run_whose_error_is_no_number_did_not_train(error: Any) -> None:
    ((_, row),) = rows_of(of_client(run_of("a", 0, error)), KEYS).rows
    assert row["error"] == ""


class Client:
    """Stands in for ``wandb.Api``."""

    runs_there: list[Any] = []  # noqa: RUF012

    def runs(self, path: str, **_: Any) -> list[Any]:
        if path != "team/nets":
            raise ValueError(f"Could not find project {path.rpartition('/')[2]}\nmore of it")
        return self.runs_there


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[Client]:
    """Of a server that answers; a folder of its own for the ledger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wandb.Api", Client)
    monkeypatch.setattr(server, "base_url", lambda: "http://wandb")
    monkeypatch.setattr(server, "why_not", lambda _: "")
    monkeypatch.setattr(Client, "runs_there", of_client(*RUNS))
    return Client


def told(table: str, **fields: Any) -> None:
    sides = {name: fields.pop(name) for name in ("baseline", "candidate") if name in fields}
    judge(parse({"task": {"name": "judge"}, "table": table, "judge": fields} | sides))


@pytest.mark.usefixtures("client")
def test_a_project_is_judged_as_a_table_is(capsys: pytest.CaptureFixture[str]) -> None:
    told("wandb:team/nets")
    said = capsys.readouterr().out
    assert re.search(r"^b has the lower .* supported +-3\.10 ", said, flags=re.MULTILINE)
    assert f"Left out of wandb:team/nets: {LEFT_OUT}." in said
    assert "1 run without an error" in said
    assert "as if each arm had\nimages of its own" in said  # there are 5,000 of each run
    with pytest.raises(SystemExit, match="4"):  # b does not always train
        told("wandb:team/nets", baseline="a", candidate="b")
    assert capsys.readouterr().out.splitlines()[-1] == f"Left out of wandb:team/nets: {LEFT_OUT}."


@pytest.mark.parametrize(
    ("table", "fields", "message"),
    [
        ("wandb:team/gone", {}, "http://wandb: Could not find project gone"),
        ("wandb:a/b/c", {}, "must be wandb:ENTITY/PROJECT"),
        ("wandb:", {}, "must be wandb:ENTITY/PROJECT"),
        ("wandb:team/nets", {"error_key": "val/loss"}, "has no finished run with cfg/arm, cfg/s"),
        ("wandb:team/nets", {"group": "other"}, "has no finished run with .*of another group"),
        ("wandb:team/nets", {"seed_key": "cfg/arm"}, "run a-s0: seed = a: must be a whole number"),
    ],
)
@pytest.mark.usefixtures("client")
def test_a_mistake_is_one_line(table: str, fields: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        told(table, **fields)
    assert str(error.value).startswith("table = wandb:")
    assert "\n" not in str(error.value)


def test_two_runs_of_one_arm_and_seed_are_named(client: type[Client]) -> None:
    client.runs_there = of_client(*RUNS, run_of("a", 1, 5.0, id="again", group="other"))
    with pytest.raises(ConfigError, match="run again: seed = 1: a has it twice"):
        told("wandb:team/nets")
    told("wandb:team/nets", group="depth")


def test_without_a_key_or_a_server_it_is_said(
    client: type[Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    for reason in ("no API key (.venv/bin/wandb login)", "does not answer"):
        monkeypatch.setattr(server, "why_not", lambda _, reason=reason: reason)
        with pytest.raises(ConfigError) as error:
            told("wandb:team/nets")
        assert str(error.value) == f"table = wandb:team/nets: http://wandb: {reason}"


@pytest.mark.slow
def test_wandbs_own_client_reads_every_page(tmp_path: Path) -> None:
    with serve_runs(RUNS, page=4) as environment:
        words = ("task=judge", "table=wandb:team/nets", "format=json")
        environment["TMPDIR"] = str(tmp_path)
        said = completed(tmp_path, *words, variables=environment, timeout=120)
    assert said.returncode == 0, said.stderr
    document = json.loads(said.stdout)
    assert [arm["errors"] for arm in document["arms"]] == [
        {"0": 6.0, "1": 6.2, "2": 6.1},
        {"0": 3.0, "1": 3.1, "2": 2.9},
    ]
    assert document["left_out"] == f"Left out of wandb:team/nets: {LEFT_OUT}."
    assert not list(tmp_path.glob("**/a-s0"))  # the client makes a folder for each run


@pytest.mark.wandb_server
@pytest.mark.skipif(not (TOOLS / "bin" / "openwandb").exists(), reason=MISSING)
def test_openwandb_cannot_answer_and_that_is_one_line(lab: Lab) -> None:
    process = lab.start("task=judge", "table=wandb:default/online")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert said == (
        f'error: table = wandb:default/online: {lab.server.url}: Unknown operation named "".\n'
    )
