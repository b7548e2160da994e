"""A5: the training scale S of photographs follows from the crop unless it is set."""

from __future__ import annotations

import pytest
from image_folder import write_image_folder
from running import Command

from vgglab.config.recipe import RecipeConfig
from vgglab.workflow.compose import compose_point

pytestmark = pytest.mark.usefixtures("inside_hydra")


def recipe(*overrides: str) -> RecipeConfig:
    return compose_point(["trainer.accelerator=cpu", *overrides]).recipe


@pytest.mark.parametrize("data", ["folder", "imagenet", "imagenette"])
@pytest.mark.parametrize(("crop", "scale"), [(224, 256), (32, 36), (64, 73), (160, 182)])
def test_s_is_eight_sevenths_of_the_crop(data: str, crop: int, scale: int) -> None:
    found = recipe(f"data={data}", f"data.image_size={crop}")
    assert (found.scale_min, found.scale_max) == (scale, scale)


def test_s_that_is_set_is_taken() -> None:
    set_by_hand = ["recipe.scale_min=40", "recipe.scale_max=48"]
    found = recipe("data=folder", "data.image_size=32", *set_by_hand)
    assert (found.scale_min, found.scale_max) == (40, 48)
    assert recipe("experiments=table3_d_384").scale_min == 384
    assert recipe().scale_min == 0  # digits are not rescaled


def test_a_crop_that_is_no_number_is_refused_by_its_own_name(command: Command) -> None:
    done = command("data=folder", "data.image_size=small", "task=describe")
    assert done.returncode == 2
    assert "data.image_size" in done.stderr
    assert "scale" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("scales", "is_said"), [((), False), ((256, 256), True)])
def test_a_run_on_small_photographs_sees_whole_digits(
    scales: tuple[int, ...],
    is_said: bool,
    command: Command,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    photos = write_image_folder(tmp_path_factory.mktemp("photos"), 200, classes=2)
    fields = zip(("recipe.scale_min", "recipe.scale_max"), scales, strict=False)
    done = command(
        "data=folder", f"data.root={photos}", "data.classes=2", "data.image_size=32",
        "protocol.top_k=[1]", "model=a", "model.width=0.0625", "norm=batch", "recipe.epochs=1",
        "recipe.batch_size=16", "tracking=off", "trainer.accelerator=cpu",
        *(f"{name}={value}" for name, value in fields),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = "data.image_size = 32: a crop of less than a quarter of an image" in done.stderr
    assert said is is_said
