"""A grid's points are those that Hydra's own sweeper makes."""

from __future__ import annotations

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from vgglab.config.parse import ConfigError
from vgglab.workflow.designs import combined, listed


@pytest.mark.parametrize(
    "overrides",
    [
        ["model=e,d,c", "seed=0,1,2"],
        ["model=a", "seed=range(3)"],
        ["+study.name=x", "recipe.learning_rate=0.1,0.05", "norm=none,batch"],
        ["model=choice(a,b)", "data.classes=6", "init.parent={recipe: {epochs: 2}}"],
        ["model=a,b", "seed=0,1", "model=d", "study.asks='one, two'"],
    ],
)
def test_points_are_those_of_hydras_sweeper(overrides: list[str]) -> None:
    parsed = OverridesParser.create().parse_overrides(overrides)
    (wanted,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    assert combined(listed(overrides)) == [list(point) for point in wanted]


def test_an_interval_is_no_grid() -> None:
    with pytest.raises(ConfigError, match=r"recipe\.learning_rate=interval\(0, 1\): a grid takes"):
        listed(["recipe.learning_rate=interval(0, 1)"])
