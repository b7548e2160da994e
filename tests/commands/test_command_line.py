"""Try it as a new user would: every end is an exit code and a line one can act on."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT, SMALL, Command, completed


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Path:
    """A folder in which a run was trained; no test writes into it."""
    folder = tmp_path_factory.mktemp("trained")
    ended = completed(folder, f"paths.data={datasets}", *SMALL)
    assert (ended.returncode, ended.stderr) == (0, "")
    (folder / "said").write_text(ended.stdout, encoding="utf-8")
    return folder


CLAIMS = ", ".join(sorted(path.stem for path in (ROOT / "conf" / "claims").glob("*.yaml")))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=dd"], "model=dd: must be one of a, a_lrn, b, b_5x5, c, d, e"),
        (["modle=d"], "modle: no such field; did you mean model?"),
        (["recipe.epocs=3"], "recipe.epocs: no such field; did you mean recipe.epochs?"),
        (["+unknown=1"], "unknown = 1: no such field; allowed: baseline, bundle, candidate"),
        (
            ["+recipe.unknown=1"],
            "recipe.unknown = 1: no such field; allowed: average_weights, batch_size",
        ),
        (["recipe.learning_rate=-0.1"], "recipe.learning_rate = -0.1: must be greater than 0"),
        (["recipe.epochs=many"], 'recipe.epochs = "many": must be a valid integer'),
        (
            ["data.classes=4", "protocol.top_k=[1,5]"],
            "top-5 error needs more than 5 classes, and data=digits has 4",
        ),
        (["data.image_size=16"], "data.image_size = 16: must be greater than or equal to 32"),
        (["recipe=["], "recipe=[: not a Hydra override"),
        (["x" * 5_000], "x..."),
        (["claims=null"], f"claims=null: must be one of {CLAIMS}"),
        (["sweeps=dephts"], "sweeps=dephts: must be one of"),
        (["sweeps=depth"], "sweeps=depth is a study: python run.py -m sweeps=depth"),
        (["task=report"], "task=report needs a study: sweeps=NAME"),
        (["task=report", "study.name=x"], "study.name=x: no study of this name was launched in"),
        (["task=dashboard"], "task=dashboard needs a study: sweeps=NAME"),
        (["-m", "sweeps=depth", "recipe.epochs=0"], "recipe.epochs = 0: must be greater"),
        (
            ["-m", "sweeps=depth", "task=report"],
            "task=report: works on a whole study; leave out -m",
        ),
        (["-m", "model=a,zz"], "model=zz: must be one of"),
        (["-m", "sweeps=depth,lrn"], "sweeps=depth,lrn: a command is about one study; name one"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    ended = completed(tmp_path, *overrides)
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not list(tmp_path.iterdir())


def test_a_mistake_in_a_process_of_its_own(tmp_path: Path) -> None:
    ended = completed(tmp_path, "recipe.epocs=3", variables={})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(
        "error: recipe.epocs: no such field; did you mean recipe.epochs?"
    )


def test_a_run_from_command_to_ledger(trained: Path, command: Command, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.startswith("a-bn-s0-")
    names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert names >= {
        "config.yaml",
        "status.json",
        "metrics.jsonl",
        "result.json",
        "train.log",
        "checkpoints/best.ckpt",
        "predictions/center.parquet",
    }
    assert "checkpoints/last.ckpt" not in names  # it has finished
    assert not any("wandb" in name for name in names)
    said = (trained / "said").read_text(encoding="utf-8")
    assert said.splitlines()[-1].startswith(f"{run.name}: finished; center top-1 error ")

    files = (path for path in run.rglob("*") if not path.name.startswith(".lock"))
    before = {path: path.stat().st_mtime_ns for path in files}
    second = command(*SMALL)
    assert second.returncode == 0
    assert second.stdout.startswith(f"{run.name}: already finished; ")
    assert before == {path: path.stat().st_mtime_ns for path in before}

    ledger = json.loads(completed(tmp_path, "task=runs", "format=json").stdout)
    assert [(row["run"], row["state"], row["attempts"]) for row in ledger] == [
        (run.name, "finished", 1)
    ]
    (row,) = csv.DictReader(io.StringIO(completed(tmp_path, "task=runs", "format=csv").stdout))
    assert row["run"] == run.name
    assert "finished" in completed(tmp_path, "task=runs").stdout


@pytest.mark.slow
def test_a_run_in_a_folder_with_spaces_writes_nowhere_else(
    command: Command, tmp_path: Path
) -> None:
    ended = command(*SMALL, "recipe.epochs=1", "paths.runs='my runs/ä'")
    assert ended.returncode == 0, ended.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"my runs"}


@pytest.mark.slow
def test_a_diverged_run_is_an_outcome(command: Command, tmp_path: Path) -> None:
    broken = ("recipe.learning_rate=100", "recipe.momentum=0.99", "norm=none")
    ended = command(*SMALL, *broken)
    assert ended.returncode == 0
    assert "diverged; " in ended.stdout
    again = command(*SMALL, *broken)
    assert "already diverged" in again.stdout


def test_an_unexpected_failure_names_the_log_with_its_traceback(
    trained: Path, command: Command, tmp_path: Path
) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    (run,) = (tmp_path / "runs").iterdir()
    (run / "result.json").unlink()
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    (run / "metrics.jsonl").unlink()
    (run / "metrics.jsonl").mkdir()
    ended = command(*SMALL)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert "train.log" in line
    assert "Traceback" in (run / "train.log").read_text()
    assert json.loads((run / "status.json").read_text())["state"] == "failed"


def test_describe_prints_the_table_in_each_format(tmp_path: Path) -> None:
    paper = ("model=d", "model.width=1", "data=cifar100", "task=describe")
    described = json.loads(completed(tmp_path, *paper, "format=json").stdout)
    assert described["model"] == "d"
    assert {"parameters", "macs", "activations_all", "activations_convolutions"} <= set(described)
    rows = list(csv.DictReader(io.StringIO(completed(tmp_path, *paper, "format=csv").stdout)))
    assert sum(int(row["parameters"]) for row in rows) == described["parameters"]
    assert "receptive field" in completed(tmp_path, *paper).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modules", "unloaded"),
    [
        (("main", "study", "runs", "describe", "report", "plan", "train", "evaluate"), "wandb"),
        (("sync", "dashboard"), "torch"),
        (("runs",), "matplotlib"),
        (("runs",), "pandas"),
        (("main",), "numpy"),
    ],
)
def test_commands_load_what_they_need_alone(modules: tuple[str, ...], unloaded: str) -> None:
    loaded = ", ".join(f"vgglab.commands.{name}" for name in modules)
    heavy = {"torch", "wandb", "matplotlib", "pandas", "numpy"}
    code = f"import sys, {loaded}; print(*sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "torch" not in ended.stdout
    assert unloaded not in ended.stdout


def test_describe_alone_prints_the_counts_that_are_quoted_of_vgg_16(tmp_path: Path) -> None:
    described = json.loads(completed(tmp_path, "model=d", "task=describe", "format=json").stdout)
    assert (described["parameters"], described["parameters_without_biases"]) == (
        138_357_544, 138_344_128,
    )  # fmt: skip
    assert described["activations_convolutions"] == 13_547_520
    assert described["filters"][0]["weights_a_channel_pair"] == 49
    text = completed(tmp_path, "model=d", "task=describe").stdout
    for quoted in ("138,344,128", "13,547,520", "51.68", "103.36", "36,864", "102,760,448"):
        assert quoted in text
    assert "wrong: its own rows add up to 15.2 million" in " ".join(text.split())


def test_describe_as_an_experiment_describes_that_experiments_net(tmp_path: Path) -> None:
    laptop = ("experiments=laptop", "task=describe", "format=json")
    small = json.loads(completed(tmp_path, *laptop).stdout)
    assert (small["width"], small["norm"], small["image_size"]) == (0.125, "batch", 32)
    assert small["published"] == []
