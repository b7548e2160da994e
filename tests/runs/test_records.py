"""The stored files of a run are read back as what they were written from."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vgglab.config import plain
from vgglab.config.parse import ConfigError, parse
from vgglab.runs import (
    Result,
    RunDirectory,
    load_run,
    load_runs,
    read_config,
    read_result,
    write_result,
)
from vgglab.runs.atomic import write_text

CONFIG = parse({"seed": 3, "recipe": {"epochs": 7}})


def stored(path: Path, **other: object) -> RunDirectory:
    directory = RunDirectory(path)
    write_text(directory.config, yaml.safe_dump(plain(CONFIG) | other))
    return directory


def test_a_config_is_read_back_whole(tmp_path: Path) -> None:
    assert read_config(stored(tmp_path / "a")) == CONFIG


def test_a_result_is_empty_until_it_is_written(tmp_path: Path) -> None:
    directory = stored(tmp_path / "a")
    assert read_result(directory) == {}
    result: Result = {"errors": {"center": {"top1_error": 5.0, "images": 10}}}
    write_result(directory, result)
    assert read_result(directory) == result
    assert load_run(directory.path).result == result


def test_a_config_of_another_version_stops_no_other_run(tmp_path: Path) -> None:
    """Its fields mean nothing here; where the run is a point of a study, the point says them."""
    stored(tmp_path / "ours")
    other = stored(tmp_path / "theirs", field_of_tomorrow=1)
    assert [run.id for run in load_runs(tmp_path)] == ["ours"]
    with pytest.raises(ConfigError, match="field_of_tomorrow"):
        load_run(other.path)
    assert load_run(other.path, planned=CONFIG).config == CONFIG
