"""``sweeps/wandb/*.yaml``: what W&B's agent makes of them is what Hydra is meant to read."""

from __future__ import annotations

import json
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from running import ROOT, SMALL, Command
from wandb_server import MISSING, TOOLS

FILES = sorted((ROOT / "sweeps" / "wandb").glob("*.yaml"))
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def handed_out(path: Path) -> list[dict[str, Any]]:
    """Parameter values as a sweep's controller may hand them out: the ends of a range too."""
    parameters = yaml.safe_load(path.read_text(encoding="utf-8"))["parameters"]
    choices = [
        known.get("values")
        or [v for k in ("value", "min", "max") if (v := known.get(k)) is not None]
        for known in parameters.values()
    ]
    return [dict(zip(parameters, values, strict=True)) for values in product(*choices)]


def overrides(path: Path, values: dict[str, Any]) -> list[str]:
    """What the agent puts after ``run.py``, by its own code."""
    # Two seconds, which every process that collects tests would take.
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    wrapped = {name: {"value": value} for name, value in values.items()}
    by_macro = create_sweep_command_args({"args": wrapped})
    words: list[str] = []
    for word in create_sweep_command(content["command"]):
        macro = word[2:-1] if word.startswith("${") else ""
        words += by_macro.get(macro, [word])
    return words[words.index("${program}") + 1 :]


@each_file
def test_hydra_reads_each_value_as_it_is_written(path: Path) -> None:
    parser = OverridesParser.create()
    for values in handed_out(path):
        parsed = {o.key_or_group: o for o in parser.parse_overrides(overrides(path, values))}
        assert not any(override.is_sweep_override() for override in parsed.values())
        for name, value in values.items():
            plain = value.strip("\"'") if isinstance(value, str) else value
            found = parsed[name].value()
            assert (str(found) if isinstance(plain, str) else found) == plain


@each_file
def test_no_parameter_locks_a_key_of_our_config(path: Path) -> None:
    assert "cfg" not in {name.partition(".")[0] for values in handed_out(path) for name in values}


@each_file
@pytest.mark.slow
def test_a_point_composes_and_trains(path: Path, command: Command, tmp_path: Path) -> None:
    words = [word for word in overrides(path, handed_out(path)[-1]) if word != "tracking=online"]
    tiny = [word for word in SMALL if not word.startswith(("data.", "norm="))]
    tiny += ["data=digits", "recipe.epochs=1"]
    ended = command(*words, *(w for w in tiny if w.partition("=")[0] not in " ".join(words)))
    assert ended.returncode == 0, ended.stderr
    (run,) = (tmp_path / "runs").iterdir()
    config = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    assert config["study"]["name"] == handed_out(path)[-1]["study.name"]
    metric = yaml.safe_load(path.read_text(encoding="utf-8"))["metric"]["name"]
    room, name = metric.split("/")
    assert name in json.loads((run / "result.json").read_text())[room]


@pytest.mark.wandb_server
@pytest.mark.skipif(not (TOOLS / "bin" / "python").exists(), reason=MISSING)
@each_file
def test_wandbs_own_schema_accepts_it(path: Path) -> None:
    code = (
        "import sys, yaml; from sweeps.config import schema_violations_from_proposed_config as v;"
        "print(v(yaml.safe_load(open(sys.argv[1]))))"
    )
    for name, accepted in ((path, True), (ROOT / "sweeps" / "depth.yaml", False)):
        said = subprocess.run(
            [TOOLS / "bin" / "python", "-W", "ignore", "-c", code, name],
            capture_output=True,
            text=True,
            check=True,
        )
        assert (said.stdout.strip() == "[]") == accepted
