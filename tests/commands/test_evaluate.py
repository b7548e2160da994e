"""Further tests of finished runs: nothing is trained again, nothing is tested twice."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from running import SMALL, Command, grid

from vgglab.commands.train import train
from vgglab.config import Config, TrackingConfig
from vgglab.config.parse import ConfigError, parse
from vgglab.data.errors import DataError
from vgglab.runs import RunDirectory, read_result
from vgglab.workflow.evaluation import catch_up, config_to_test, is_done, untested
from vgglab.workflow.fusion import fuse
from vgglab.workflow.pretraining import directory_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, datasets: Path) -> Config:
    """A run that was tested under its own protocol only; made once for this file."""
    config = parse(
        {
            "model": {"name": "a", "width": 0.0625},
            "norm": {"name": "batch"},
            "data": {"name": "digits", "classes": 6, "test_fraction": 0.1},
            "recipe": {"epochs": 1, "batch_size": 128, "scale_min": 36, "scale_max": 36},
            "trainer": {
                "accelerator": "cpu",
                "precision": "fp32",
                "memory_format": "channels_last",
                "threads": 1,
                "workers": 0,
            },
            "paths": {
                "runs": str(tmp_path_factory.mktemp("runs")),
                "data": str(datasets),
                "studies": str(tmp_path_factory.mktemp("studies")),
            },
        }
    )
    config = dataclasses.replace(config, tracking=TrackingConfig(mode="off"))
    train(config)
    return config


def asking(config: Config, **protocol: Any) -> Config:
    tree = json.loads(json.dumps(dataclasses.asdict(config)))
    tree["protocol"] |= protocol
    return parse(tree)


def stamps(directory: RunDirectory) -> dict[str, int]:
    return {
        path.name: path.stat().st_mtime_ns
        for path in directory.path.rglob("*")
        if path.is_file() and path.name != "train.log" and not path.name.startswith(".lock")
    }


def test_a_run_without_a_protocol_is_tested_not_trained(
    trained: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    directory = directory_of(trained)
    assert is_done(trained, directory)
    before, error = stamps(directory), read_result(directory)["errors"]["center"]
    more = asking(trained, also=["dense", "multi_scale"])
    assert directory_of(more).id == directory.id
    assert [p.label for p in untested(more, directory)] == ["dense", "multi_scale"]
    assert not is_done(more, directory)
    train(more)
    assert "trained; testing under dense, multi_scale" in capsys.readouterr().out
    assert is_done(more, directory)
    after = stamps(directory)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"result.json", "dense.parquet", "multi_scale.parquet"}
    result = read_result(directory)
    assert result["errors"]["center"] == error
    assert result["tests"]["multi_scale"]["scales"] == [32, 36, 40]
    train(more)  # once more: nothing
    assert stamps(directory) == after


def test_tested_later_is_as_tested_at_the_end(trained: Config) -> None:
    directory = directory_of(trained)
    at_the_end = read_result(directory)["errors"]["center"]
    stored = pq.read_table(directory.predictions("center"))
    assert len(stored["original"].unique()) == 300
    directory.predictions("center").unlink()
    later = config_to_test(directory, trained)
    assert [p.label for p in catch_up(later, directory)] == ["center"]
    assert read_result(directory)["errors"]["center"] == at_the_end
    again = pq.read_table(directory.predictions("center"))
    assert again["original"].equals(stored["original"])


def test_other_scales_are_kept_beside_the_rules(trained: Config) -> None:
    directory = directory_of(trained)
    catch_up(config_to_test(directory, asking(trained, name="dense", scales=[64])), directory)
    assert directory.predictions("dense-64").exists()
    assert read_result(directory)["tests"]["dense-64"]["scales"] == [64]


def test_fusing_needs_no_weights(trained: Config, capsys: pytest.CaptureFixture[str]) -> None:
    directory = directory_of(trained)
    catch_up(config_to_test(directory, asking(trained, also=["multi_scale"])), directory)
    checkpoint = directory.best_checkpoint.rename(directory.best_checkpoint.with_suffix(".away"))
    names = (f"{directory.id}:center", f"{directory.id}:multi_scale")
    fuse(dataclasses.replace(trained, fuse=names, format="json"))
    checkpoint.rename(directory.best_checkpoint)
    rows = json.loads(capsys.readouterr().out)
    assert [row["net"] for row in rows] == [*names, "mean posterior of 2"]
    errors = read_result(directory)["errors"]
    assert rows[0]["top1_error"] == errors["center"]["top1_error"]
    assert rows[2]["images"] == 300
    (written,) = Path(trained.paths.studies).glob("adhoc/fusion/*.json")
    assert json.loads(written.read_text())["exact"]
    table = pd.read_csv(written.with_suffix(".csv"))
    assert list(table["top1_error"]) == [row["top1_error"] for row in rows]


def test_what_cannot_be_tested_or_fused_is_refused(trained: Config) -> None:
    directory = directory_of(trained)
    with pytest.raises(ConfigError, match=r"run=nope: not in "):
        config_to_test(RunDirectory(directory.path.parent / "nope"), trained)
    with pytest.raises(ConfigError, match=rf"run={directory.id}: protocol=multi_crop cuts crops"):
        config_to_test(directory, asking_unchecked(trained, scales=(30,)))
    with pytest.raises(ConfigError, match=r"has no predictions under both, only under center"):
        fuse(dataclasses.replace(trained, fuse=f"{directory.id}:both"))


def test_runs_on_other_images_are_not_fused(trained: Config) -> None:
    """A folder's images are no part of a config; the indices and labels may be the same."""
    first = directory_of(trained)
    second = RunDirectory(first.path.with_name("other"))
    shutil.copytree(first.path, second.path)
    status = second.read_status()
    status.data_fingerprint = "x"
    status.write(second.status)
    message = f"fuse: {first.id} and other have other data \\(fingerprints .* and x\\)"
    with pytest.raises(ConfigError, match=message):
        fuse(dataclasses.replace(trained, fuse=(first.id, second.id)))


def test_a_run_is_not_tested_on_other_images(trained: Config, tmp_path: Path) -> None:
    first = directory_of(trained)
    copy = RunDirectory(tmp_path / first.id)
    shutil.copytree(first.path, copy.path)
    status = copy.read_status()
    status.data_fingerprint = "x"
    status.write(copy.status)
    before = read_result(copy)
    with pytest.raises(DataError, match=r"other data \(fingerprint x\) than data=digits is here"):
        catch_up(config_to_test(copy, asking(trained, name="dense", scales=[96])), copy)
    assert read_result(copy) == before


def asking_unchecked(config: Config, scales: tuple[int, ...]) -> Config:
    """A command's config, whose protocol is about another run's images."""
    task = dataclasses.replace(config.task, name="evaluate")
    protocol = dataclasses.replace(config.protocol, name="multi_crop", scales=scales)
    return dataclasses.replace(config, task=task, protocol=protocol)


STUDY = (
    "sweeps=depth", *SMALL, *grid(model="a", seed="0,1"), "recipe.epochs=1",
    "data.test_images=4000",
)  # fmt: skip


@pytest.mark.slow
def test_a_study_tests_what_is_missing(tmp_path: Path, command: Command) -> None:
    assert command("-m", *STUDY).returncode == 0
    attempts = {
        p: json.loads(p.read_text())["attempts"] for p in tmp_path.glob("runs/*/status.js*")
    }
    again = command("-m", *STUDY, "protocol.also=[dense]")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "study depth: 2 points, 0 already done" in again.stdout
    assert "2 points, 2 already done" in command("-m", *STUDY, "protocol.also=[dense]").stdout
    for path, count in attempts.items():
        assert json.loads(path.read_text())["attempts"] == count == 1
    table = command("task=evaluate", *STUDY, "protocol=multi_scale", "format=csv")
    assert table.returncode == 0, table.stderr
    assert table.stdout.splitlines()[0].startswith("run,protocol,scales,top1_error,top5_error")
    assert len(table.stdout.splitlines()) == 3
    assert command("task=report", *STUDY).returncode == 0
    results = pd.read_csv(tmp_path / "studies" / "depth" / "results.csv")
    assert sorted(results["protocol"]) == sorted(["center", "dense", "multi_scale"] * 2)


@pytest.mark.slow
def test_mistakes_end_in_one_line(command: Command) -> None:
    for overrides, said in (
        (("task=evaluate",), "got none"),
        (("task=evaluate", "run=a", "fuse=b"), "got run and fuse"),
        (("task=evaluate", "run=nope"), "run=nope: not in runs"),
        (("task=evaluate", "weights=nope.pth"), "weights=nope.pth: no such file"),
        (("protocol=both",), "protocol=both cuts crops of 32 px"),
    ):
        ended = command(*overrides)
        assert ended.returncode == 2
        assert said in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
