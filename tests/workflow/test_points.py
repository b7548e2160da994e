"""The points of a grid: each as if it were composed by itself."""

from __future__ import annotations

from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from running import ROOT

from vgglab.config import store
from vgglab.config.parse import ConfigError
from vgglab.workflow.compose import compose_point
from vgglab.workflow.designs import combined, listed
from vgglab.workflow.points import compose_points

TRAINER = ("trainer.accelerator=cpu", "trainer.precision=fp32", "trainer.threads=1")


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        ["model=a,d", "norm=none,batch", "seed=range(4)"],
        ["init=pretrained_a", "model=d", "seed=3,1,2"],
        # What follows from the seed, which no shortcut may miss.
        ["model=a", "seed=1,2,3", "data.split_seed=${seed}"],
        ["++seed=0,1,2", "model=a"],
    ],
)
def test_points_are_what_each_composes(
    overrides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VGGLAB_ROOT", str(ROOT))
    store.register()
    grid = [[*TRAINER, *point] for point in combined(listed(overrides))]
    with initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")):
        points = compose_points(grid)
        assert [point.config for point in points] == [compose_point(point) for point in grid]


def test_of_the_points_of_an_arm_one_is_composed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGGLAB_ROOT", str(ROOT))
    store.register()
    composed: list[str] = []

    def watched(*arguments: Any, **keywords: Any) -> Any:
        composed.append(keywords["overrides"][-2])
        return compose(*arguments, **keywords)

    monkeypatch.setattr("vgglab.workflow.compose.compose", watched)
    monkeypatch.setattr("vgglab.forks.cores", lambda: 1)  # no fork would tell
    arms = ("model=a", "model=d", "model=b")
    grid = [[*TRAINER, arm, f"seed={seed}"] for arm in arms for seed in range(5)]
    with initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")):
        assert len(compose_points(grid)) == 15
    assert sorted(composed) == ["model=a", "model=a", "model=b", "model=d"]


@pytest.mark.slow
def test_an_arm_whose_fields_are_made_of_its_seed_is_composed_point_by_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VGGLAB_ROOT", str(ROOT))
    store.register()
    arms = (["model=a"], ["model=d", "data.split_seed=${seed}"], ["model=b"])
    grid = [[*TRAINER, *arm, f"seed={seed}"] for arm in arms for seed in (1, 2, 3)]
    with initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")):
        points = compose_points(grid)
        assert [point.config for point in points] == [compose_point(point) for point in grid]
    assert [point.config.data.split_seed for point in points[3:6]] == [1, 2, 3]


def test_a_seed_in_the_middle_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VGGLAB_ROOT", str(ROOT))
    store.register()
    grid = [[*TRAINER, f"seed={seed}"] for seed in (0, 3_000_000_000, 1)]
    with (
        initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")),
        pytest.raises(ConfigError, match="seed = 3000000000: must be less than"),
    ):
        compose_points(grid)
