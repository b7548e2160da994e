"""Every YAML file of conf/, experiments/ and sweeps/ composes to a legal config."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from running import ROOT

from vgglab.config import Config
from vgglab.config.claims import parse_claims
from vgglab.config.parse import parse
from vgglab.launch.pool import Point
from vgglab.workflow.checks import check_net
from vgglab.workflow.compose import files_read_once
from vgglab.workflow.confound_check import refuse_confounds
from vgglab.workflow.points import StudyPoint
from vgglab.workflow.pretraining import directory_of, stage_of, stages_of
from vgglab.workflow.resolve import resolve

pytestmark = pytest.mark.usefixtures("inside_hydra", "files_are_read_once")

GROUP_FILES = sorted((ROOT / "conf").glob("*/*.yaml"))
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))
NEEDS = dict.fromkeys(
    ("multi_crop", "both", "ten_crop"), ("recipe.scale_min=40", "recipe.scale_max=40")
)
"""What a choice does not go without: room for crops."""


@pytest.fixture(scope="module")
def files_are_read_once() -> Iterator[None]:
    """A third of the time of what is composed here."""
    with files_read_once():
        yield


@functools.cache
def composed(*overrides: str) -> Config:
    tree: Any = OmegaConf.to_container(compose("config", list(overrides)), resolve=True)
    for group in ("experiments", "sweeps"):  # an empty choice leaves its name behind
        tree.pop(group, None)
    parse_claims(tree.pop("claims", None))
    return parse(tree)


@pytest.mark.slow
@pytest.mark.parametrize("path", GROUP_FILES, ids=lambda p: f"{p.parent.name}={p.stem}")
def test_each_choice_of_each_group(path: Path) -> None:
    group = composed(f"{path.parent.name}={path.stem}", *NEEDS.get(path.stem, ()))
    if path.parent.name not in ("claims", "recipe", "trainer", "tracking"):
        assert getattr(group, path.parent.name).name == path.stem


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda p: p.stem)
def test_each_experiment(path: Path) -> None:
    assert composed(f"experiments={path.stem}") != composed()


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda p: p.stem)
def test_each_experiments_parents_are_legal_and_fit(path: Path) -> None:
    check_net(composed(f"experiments={path.stem}"))


# All points of the paper's are composed below.
@pytest.mark.slow
@pytest.mark.parametrize("path", [p for p in SWEEPS if p.stem != "paper"], ids=lambda p: p.stem)
def test_each_choice_of_each_sweep(path: Path) -> None:
    grid = grid_of(path.stem)
    first = [values[0] for values in grid]
    # Each choice once, and two seeds: a product of choices would take minutes to compose.
    for place, values in enumerate(grid):
        is_seed = values[0].startswith("seed=")
        for value in values if place == 0 else values[1:2] if is_seed else values[1:]:
            point = [*first[:place], value, *first[place + 1 :]]
            check_net(composed(f"sweeps={path.stem}", *point))


def grid_of(sweep: str) -> list[list[str]]:
    """The overrides of each key of a sweep's own grid."""
    tree = compose("config", [f"sweeps={sweep}"], return_hydra_config=True)
    grid: Any = OmegaConf.to_container(tree.hydra.sweeper.params)
    parsed = OverridesParser.create().parse_overrides([f"{k}={text}" for k, text in grid.items()])
    return [
        [f"{o.get_key_element()}={value}" for value in o.sweep_string_iterator()]
        if o.is_sweep_override()
        else [str(o.input_line)]
        for o in parsed
    ]


@functools.cache
def points_of(sweep: str) -> list[Config]:
    """Every point of a sweep's own grid."""
    return [composed(f"sweeps={sweep}", *p) for p in itertools.product(*grid_of(sweep))]


# published.yaml, vgg2014: Table 3's configs with S; which of them are in Tables 4 and 5.
TABLE_3 = {
    ("a", 256, 256), ("a_lrn", 256, 256), ("b", 256, 256),
    *((name, *scale) for name in "cde" for scale in ((256, 256), (384, 384), (256, 512))),
}  # fmt: skip
ALSO = {"a": (), "a_lrn": ()}
TABLE_5 = {("d", 512), ("e", 512)}


@pytest.mark.slow
def test_the_papers_sweep_is_table_3_with_the_tests_of_tables_4_and_5() -> None:
    points = points_of("paper")
    rows = {(p.model.name, p.recipe.scale_min, p.recipe.scale_max): p for p in points}
    assert rows.keys() == TABLE_3
    assert len(points) == 12
    for point in points:
        check_net(point)
    for (name, _, largest), point in rows.items():
        crops = ("multi_crop", "both") if (name, largest) in TABLE_5 else ()
        assert point.protocol.also == ALSO.get(name, ("multi_scale", *crops))
        assert (point.protocol.name, point.model.width) == ("dense", 1.0)
        assert point.recipe.color_shift == 0.1
        scales = {procedure.name: procedure.scales for procedure in point.procedures}
        assert scales["dense"] == (384,) if largest == 512 else (largest,)


@pytest.mark.slow
def test_the_papers_sweep_declares_all_that_differs() -> None:
    points = []
    grid = itertools.product(*grid_of("paper"))
    for overrides, config in zip(grid, points_of("paper"), strict=True):
        stage = stage_of(resolve(config))
        points.append(StudyPoint(Point(stage.directory, overrides), stage))
    refuse_confounds(points, ())


@pytest.mark.slow
def test_every_stage_of_the_papers_sweep_starts_from_another_row_of_it() -> None:
    points = [resolve(point) for point in points_of("paper")]
    rows = {directory_of(point).id: point for point in points}
    for point in points:
        parents = [stage.directory.id for stage in stages_of(point)[:-1]]
        assert set(parents) <= rows.keys()
        names = [f"{rows[p].model.name}{rows[p].recipe.scale_max}" for p in parents]
        name, chain = point.model.name, {256: 1, 384: 2, 512: 3}[point.recipe.scale_max]
        expected = ["a256", f"{name}256", f"{name}384"][:chain]
        assert names == ([] if name.startswith("a") else expected)


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
