"""Every YAML file of conf/, experiments/ and sweeps/ composes to a legal config."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from running import ROOT

from vgglab.config import Config, store
from vgglab.config.check import parse

GROUP_FILES = sorted((ROOT / "conf").glob("*/*.yaml"))
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))
NEEDS = dict.fromkeys(("multi_crop", "both"), ("recipe.scale_min=40", "recipe.scale_max=40"))
"""What a choice does not go without: room for crops."""


@pytest.fixture(autouse=True)
def hydra_context(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("VGGLAB_ROOT", str(ROOT))
    store.register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        yield


def composed(*overrides: str) -> Config:
    tree = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    assert isinstance(tree, dict)
    return parse({str(key): value for key, value in tree.items()})


@pytest.mark.parametrize("path", GROUP_FILES, ids=lambda p: f"{p.parent.name}={p.stem}")
def test_each_choice_of_each_group(path: Path) -> None:
    group = composed(f"{path.parent.name}={path.stem}", *NEEDS.get(path.stem, ()))
    if path.parent.name not in ("recipe", "trainer", "tracking"):
        assert getattr(group, path.parent.name).name == path.stem


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda p: p.stem)
def test_each_experiment(path: Path) -> None:
    assert composed(f"experiments={path.stem}") != composed()


@pytest.mark.parametrize("path", SWEEPS, ids=lambda p: p.stem)
def test_each_sweep_names_its_study_and_says_what_it_asks(path: Path) -> None:
    study = composed(f"sweeps={path.stem}").study
    assert study.name == path.stem
    assert study.asks
    assert study.paper


@pytest.mark.parametrize("path", EXPERIMENTS + SWEEPS, ids=lambda p: f"{p.parent.name}={p.stem}")
def test_each_header_is_a_lab_note(path: Path) -> None:
    header = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    for word in ("Asks:", "Paper:", "Takes:", "Run:"):
        assert any(line.startswith(f"# {word}") for line in header), f"{path.name} lacks {word}"


def test_a_choice_overrides_the_experiment() -> None:
    assert composed("experiments=cifar10", "recipe.epochs=7").recipe.epochs == 7
