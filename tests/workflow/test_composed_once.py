"""A command's config is composed once, unless something says which mode Hydra is to run in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.global_hydra import GlobalHydra
from hydra.plugins.config_source import ConfigSource
from hydra.types import RunMode
from omegaconf import OmegaConf
from running import ROOT

from vgglab.checkout import VARIABLE
from vgglab.config import store
from vgglab.workflow.compose import composed_once, files_read_once
from vgglab.workflow.provenance import OF_A_POINT

OURS = (ROOT, ROOT / "conf")


def is_spared(arguments: list[str], *folders: Path) -> bool:
    asked = Hydra.get_mode
    with composed_once(arguments, folders):
        spared = Hydra.get_mode is not asked
    assert Hydra.get_mode is asked
    return spared


def test_nothing_of_ours_sets_the_mode() -> None:
    assert is_spared(["model=a", "-m", "tracking.mode=offline"], *OURS)


@pytest.mark.parametrize("argument", ["hydra.mode=1", "+hydra.mode=RUN", "hydra={mode: 2}"])
def test_an_argument_may_set_it(argument: str) -> None:
    assert not is_spared(["model=a", argument], *OURS)


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        (OF_A_POINT, RunMode.RUN),
        (["hydra.mode=MULTIRUN"], RunMode.MULTIRUN),
        (["hydra.mode=MULTIRUN", *OF_A_POINT], RunMode.RUN),
    ],
)
def test_the_last_argument_that_sets_it_decides(
    arguments: list[str], mode: RunMode, tmp_path: Path
) -> None:
    """As in Hydra, whatever a file says."""
    (tmp_path / "config.yaml").write_text("hydra: {mode: MULTIRUN}\n")
    overrides = ["model=a", *arguments]
    with composed_once(overrides, [tmp_path, *OURS]):
        assert Hydra.get_mode(None, "config", overrides) is mode  # type: ignore[arg-type]
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        assert hydra.get_mode("config", ["+model=a", *arguments]) is mode


@pytest.mark.parametrize(
    "text", ["hydra:\n  mode: MULTIRUN\n", "hydra: {'mode': RunMode.MULTIRUN}", "hydra.mode: 2"]
)
def test_a_users_file_may_set_it(text: str, tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "mine.yaml").write_text(text)
    assert not is_spared(["experiments=mine"], tmp_path, *OURS)


@pytest.mark.slow
def test_what_is_composed_of_files_that_are_read_once_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also after a composition that has changed what it read."""
    grid = [
        ["sweeps=quickstart", "model=e"],
        ["sweeps=quickstart", "model=e", "recipe.learning_rate=0.5", "study.looks=[]"],
        ["sweeps=quickstart", "model=a_lrn", "norm=none", "~recipe.epochs", "seed=3"],
        ["sweeps=quickstart", "model=e"],
        ["data=cluttered_digits", "protocol=dense", "+recipe.new=1", "model=e"],
        ["model=e"],
    ]
    loads: list[str] = []
    monkeypatch.setenv(VARIABLE, str(ROOT))
    store.register()

    def composed() -> list[str]:
        return [
            OmegaConf.to_yaml(compose("config", overrides=overrides, return_hydra_config=True))
            for overrides in grid
        ]

    with initialize_config_dir(str(ROOT / "conf"), job_name="run", version_base="1.3"):
        expected = composed()
        of_files = SourcesRegistry.instance().resolve("file")
        load = of_files.load_config

        def counted(self: ConfigSource, config_path: str) -> Any:
            loads.append(config_path)
            return load(self, config_path)

        monkeypatch.setattr(of_files, "load_config", counted)
        with files_read_once(), files_read_once():
            assert composed() == expected
        assert 0 < len(loads) == len(set(loads)), "a file was read twice"
        loads.clear()
        assert composed() == expected
        assert len(loads) > len(set(loads)), "files are still kept"
