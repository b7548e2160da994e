"""``micro_batch=auto`` and what a run that ran out of memory is told."""

from __future__ import annotations

import dataclasses
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from running import SMALL, Command

from vgglab.config import Config, plain
from vgglab.config.parse import ConfigError, parse
from vgglab.runs import RunDirectory, run_id
from vgglab.workflow import micro_batch
from vgglab.workflow.micro_batch import divisions, find, with_fitting_micro_batch
from vgglab.workflow.resolve import resolve


def config_of(*, norm: str = "none", devices: int = 1, **fields: object) -> Config:
    tree = {
        "model": {"name": "a", "width": 0.0625},
        "norm": {"name": norm},
        "recipe": {"batch_size": 100},
        "trainer": {"accelerator": "cpu", "precision": "fp32", "threads": 1, "workers": 0}
        | {"memory_format": "channels_last"},
        "devices": devices,
    }
    return parse(tree | fields)


def test_divisions_go_down_to_one_image() -> None:
    assert divisions(config_of()) == [1, 2, 4, 8, 16, 32, 64, 100]
    assert divisions(config_of(devices=40)) == [1, 2]


@pytest.mark.parametrize(("asked", "accumulate"), [(100, 1), (99, 2), (16, 7), (1, 100)])
def test_a_number_of_images_becomes_a_number_of_parts(asked: int, accumulate: int) -> None:
    resolved = resolve(config_of(micro_batch=asked))
    assert resolved.trainer.accumulate == accumulate
    assert resolved.recipe.batch_size == 100
    assert run_id(resolved, "x") == run_id(resolve(config_of()), "x")  # of a net without batch norm


def test_both_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="one follows from the other"):
        config_of(micro_batch="auto", trainer={"accumulate": 2})


@pytest.mark.parametrize("most", [1, 3, 25, 99, 100])
@pytest.mark.parametrize("killed", [True, False])
def test_the_first_that_fits_is_taken(most: int, killed: bool) -> None:
    """``most`` images fit; a try of more is killed, or says so and goes on."""
    tried: list[int] = []

    def attempt(config: Config, todo: Sequence[int]) -> tuple[int | None, int | None]:
        for accumulate in todo:
            tried.append(accumulate)
            if -(-100 // accumulate) <= most:
                return accumulate, accumulate
            if killed:
                break
        return None, tried[-1]

    found = find(config_of(), attempt)
    assert found is not None
    assert -(-100 // found) <= most
    assert tried == divisions(config_of())[: len(tried)]  # each once


def test_where_nothing_fits_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(micro_batch, "try_in_child", lambda _, todo: (None, todo[-1]))
    with pytest.raises(ConfigError, match="not even one image"):
        with_fitting_micro_batch(config_of(micro_batch="auto"), RunDirectory(tmp_path))


def test_batch_norm_is_not_made_another_run_in_silence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config, run = config_of(micro_batch="auto", norm="batch"), RunDirectory(tmp_path)
    monkeypatch.setattr(micro_batch, "try_in_child", lambda *_: (4, 4))
    with pytest.raises(ConfigError, match=r"trainer\.accumulate=4 does; say so yourself"):
        with_fitting_micro_batch(config, run)
    monkeypatch.setattr(micro_batch, "try_in_child", lambda *_: (1, 1))
    assert with_fitting_micro_batch(config, run).trainer.accumulate == 1


def test_a_run_that_goes_on_keeps_its_parts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, config = RunDirectory(tmp_path), config_of(micro_batch="auto")
    monkeypatch.setattr(micro_batch, "try_in_child", lambda *_: (1, 1))
    trainer = dataclasses.replace(config.trainer, accumulate=8)
    began = dataclasses.replace(config, trainer=trainer, micro_batch=0)
    run.config.write_text(yaml.safe_dump(plain(began)))
    assert with_fitting_micro_batch(config, run).trainer.accumulate == 1  # no checkpoint
    run.checkpoints.mkdir()
    run.last_checkpoint.touch()
    assert with_fitting_micro_batch(config, run) == began


def test_advice_is_by_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(recipe={"batch_size": 65_536})
    monkeypatch.setattr(micro_batch, "limit_bytes", lambda _: 2**30)
    assert "a micro-batch of 8192 should fit: trainer.accumulate=8," in micro_batch.advice(config)
    monkeypatch.setattr(micro_batch, "limit_bytes", lambda _: None)
    assert micro_batch.advice(config).startswith("trainer.accumulate=2 (4, ...)")


@pytest.mark.slow
def test_a_process_with_little_memory_finds_what_fits() -> None:
    """1 GiB over what torch itself takes; a step of 65,536 images would take at least 6."""
    config = config_of(recipe={"batch_size": 65_536})
    code = (
        "import resource, runpy, torch; have = int(open('/proc/self/statm').read().split()[0]);"
        "most = have * resource.getpagesize() + 2**30;"
        "resource.setrlimit(resource.RLIMIT_AS, (most, most));"
        "runpy.run_module('vgglab.training.try_step', run_name='__main__')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, "1", "64", "256"],
        input=json.dumps(plain(config)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.split()
    assert said[:3] == ["trying", "1", "trying"]
    assert said[-2] == "fits"
    assert int(said[-1]) in (64, 256)
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


@pytest.mark.slow
def test_a_run_finds_its_micro_batch_and_ends_as_with_the_whole_batch(
    command: Command, tmp_path: Path
) -> None:
    plain_net = [text for text in SMALL if text != "norm=batch"]
    small = (*plain_net, "recipe.epochs=1", "recipe.untrainable_after=0")
    ended = command(*small, "micro_batch=auto")
    assert ended.returncode == 0, ended.stderr
    (config,) = tmp_path.glob("runs/*/config.yaml")
    tree = yaml.safe_load(config.read_text())
    assert (tree["micro_batch"], tree["trainer"]["accumulate"]) == (0, 1)
    assert "already finished" in command(*small).stdout  # the same run
