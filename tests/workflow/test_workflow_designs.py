"""Designs: the points that a study has of the values that its sweep lists."""

from __future__ import annotations

import pytest

from vgglab.config.parse import ConfigError
from vgglab.workflow.confound_check import guard_study
from vgglab.workflow.designs import combined, designed, listed
from vgglab.workflow.points import compose_points

TRAINER = ("trainer.accelerator=cpu", "trainer.precision=fp32", "trainer.threads=1")


def made(design: str, *lists: str, own: tuple[str, ...] = ()) -> list[str]:
    """The points of a design; each without its constant overrides, as one text."""
    points = designed(lists, [f"study.design={design}", *own])
    several = {text.partition("=")[0] for text in lists}
    return [" ".join(o for o in point if o.partition("=")[0] in several) for point in points]


@pytest.mark.usefixtures("inside_hydra")
def test_zip_takes_values_place_by_place_and_crosses_with_seeds() -> None:
    assert made("zip", "model=d,a,a", "model.width=0.5,0.5,1", "seed=0,1") == [
        "model=d model.width=0.5 seed=0",
        "model=d model.width=0.5 seed=1",
        "model=a model.width=0.5 seed=0",
        "model=a model.width=0.5 seed=1",
        "model=a model.width=1 seed=0",
        "model=a model.width=1 seed=1",
    ]
    assert made("zip", "seed=0,1", "model=a") == ["seed=0 model=a", "seed=1 model=a"]


@pytest.mark.usefixtures("inside_hydra")
def test_lists_of_other_lengths_are_not_zipped() -> None:
    with pytest.raises(ConfigError) as raised:
        made("zip", "model=a,b", "init=he", "norm=none,batch,none", "seed=range(5)")
    assert str(raised.value).startswith(
        "study.design = zip: model has 2, norm has 3 values; lists that are taken together"
    )


@pytest.mark.usefixtures("inside_hydra")
def test_one_at_a_time_departs_from_what_the_command_has_without_the_lists() -> None:
    # In the order of the full grid; the base is a, 0.25 wide, he: conf/config.yaml has them.
    assert made("one_at_a_time", "model=d,a", "model.width=0.5,0.25", "init=he,glorot") == [
        "model=d model.width=0.25 init=he",
        "model=a model.width=0.5 init=he",
        "model=a model.width=0.25 init=he",
        "model=a model.width=0.25 init=glorot",
    ]
    # A field of the sweep's own, and a list without the usual value: its first is the base.
    lists = ("recipe.epochs=3,4", "recipe={momentum:0.5},{momentum:0.9}", "seed=0,1")
    assert made("one_at_a_time", *lists)[:2] == [
        "recipe.epochs=3 recipe={momentum:0.5} seed=0",
        "recipe.epochs=3 recipe={momentum:0.5} seed=1",
    ]
    assert made("one_at_a_time", *lists)[2:] == [
        "recipe.epochs=3 recipe={momentum:0.9} seed=0",
        "recipe.epochs=3 recipe={momentum:0.9} seed=1",
        "recipe.epochs=4 recipe={momentum:0.9} seed=0",
        "recipe.epochs=4 recipe={momentum:0.9} seed=1",
    ]


@pytest.mark.usefixtures("inside_hydra")
def test_an_experiment_says_what_the_base_is() -> None:
    own = ("experiments=laptop",)  # of width 1/8, with batch norm
    found = made("one_at_a_time", "model.width=0.0625,0.125", "norm=none,batch", own=own)
    assert found == [
        "model.width=0.0625 norm=batch",
        "model.width=0.125 norm=none",
        "model.width=0.125 norm=batch",
    ]


@pytest.mark.usefixtures("inside_hydra")
def test_a_study_has_one_design() -> None:
    with pytest.raises(ConfigError, match=r"study\.design = zip,grid: a study has one design"):
        made("zip,grid", "model=a,b")


def test_a_thousand_combinations_are_not_made_to_leave_them_out() -> None:
    lists = listed([f"model.lrn.{name}=range(1,40)" for name in ("size", "k", "alpha", "beta")])
    factors = list(lists)
    found = combined(lists, [(i,) * 4 for i in range(39)], factors)  # of 2.3 million
    assert len(found) == 39
    assert found[0] == [f"{key}=1" for key in factors]


@pytest.mark.usefixtures("inside_hydra")
def test_the_guard_asks_which_of_two_factors_that_move_together_is_meant() -> None:
    lists = ("model=a,b", "model.width=0.25,0.5")
    points = compose_points(designed(lists, [*TRAINER, "study.design=zip"]))
    assert guard_study(points).listed == "model.width: 0.25 (model.name a), 0.5 (model.name b)"


@pytest.mark.usefixtures("inside_hydra")
def test_the_guard_has_nothing_to_say_of_one_factor_at_a_time() -> None:
    lists = ("model=a,b", "model.width=0.25,0.5")
    points = compose_points(designed(lists, [*TRAINER, "study.design=one_at_a_time"]))
    assert [(p.config.model.name, p.config.model.width) for p in points] == [
        ("a", 0.25), ("a", 0.5), ("b", 0.25),
    ]  # fmt: skip
    assert guard_study(points).complaint == ""


@pytest.mark.usefixtures("inside_hydra")
def test_the_guard_tells_of_parents_that_trained_on_other_data() -> None:
    """A pretrained net, and one whose parent had more images to train on."""
    own = [*TRAINER, "init=from_run", "init.parent.data.split_seed=0"]
    grid = [[*own, "model=a"], [*own, "model=b", "init.parent.data.validation_fraction=0.05"]]
    said = guard_study(compose_points(grid)).listed
    assert said.startswith("init.parent.data.validation_fraction: "), said
    assert "0.05 (model.name b)" in said
