"""A warm-up that would change nothing, or never end, is refused before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import SMALL, Command

from vgglab.config import Config
from vgglab.config.parse import ConfigError, parse
from vgglab.runs import RunDirectory, State, Status
from vgglab.workflow.pretraining import directory_of, stages_of
from vgglab.workflow.resolve import resolve
from vgglab.workflow.useless_schedule import refuse_useless_schedules

TOO_SHORT = "the learning rate does not reach its value"


def config_with(folder: Path, recipe: dict[str, Any], **others: Any) -> Config:
    paths = {name: str(folder / name) for name in ("runs", "studies", "data")}
    tree = {"data": {"name": "digits"}, "paths": paths, "recipe": recipe} | others
    return resolve(parse(tree))


def schedule(name: str, warmup_epochs: float, **recipe: Any) -> dict[str, Any]:
    return {"schedule": {"name": name, "warmup_epochs": warmup_epochs}, **recipe}


def finish(run: RunDirectory) -> None:
    run.path.mkdir(parents=True, exist_ok=True)
    run.result.write_text('{"validation": {"top1_error": 1.0}}')
    Status(state=State.FINISHED).write(run.status)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            schedule("plateau", 0.5),
            "recipe.schedule.warmup_epochs = 0.5: must be 0 with recipe.schedule.name = plateau, "
            "which has no warm-up",
        ),
        (
            schedule("plateau", 2.0, epochs=1),
            "recipe.schedule.warmup_epochs = 2: must be 0 with recipe.schedule.name = plateau",
        ),
    ],
)
def test_one_line_says_what_a_schedule_would_not_do(
    tmp_path: Path, recipe: dict[str, Any], message: str
) -> None:
    config = config_with(tmp_path, recipe)  # a stored run has it and is read
    with pytest.raises(ConfigError) as caught:
        refuse_useless_schedules([config])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "recipe",
    [
        schedule("plateau", 0.0),
        schedule("cosine", 0.0, epochs=1),
        schedule("cosine", 1.0, epochs=1),
        schedule("step", 1.5, epochs=2),
    ],
)
def test_a_schedule_that_does_something_passes(tmp_path: Path, recipe: dict[str, Any]) -> None:
    refuse_useless_schedules([config_with(tmp_path, recipe)])


def test_of_a_run_that_ends_in_its_warm_up_there_is_a_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_with(tmp_path, schedule("cosine", 2.0, epochs=1))
    refuse_useless_schedules([config, config])
    refuse_useless_schedules([config_with(tmp_path, schedule("step", 2.0, epochs=2))])
    note = f"note: recipe.schedule.warmup_epochs = 2: with recipe.epochs = 1 {TOO_SHORT}\n"
    assert capsys.readouterr().err == note


def test_a_parent_is_checked_with_its_child(tmp_path: Path) -> None:
    init = {"name": "from_run", "parent": {"recipe": {"schedule": {"name": "plateau"}}}}
    config = config_with(tmp_path, schedule("cosine", 2.0, epochs=5), init=init)
    with pytest.raises(ConfigError, match=r"^init\.parent\.recipe\.schedule\.warmup_epochs = 2: "):
        refuse_useless_schedules([config])
    parent = stages_of(config)[0].directory
    finish(parent)
    refuse_useless_schedules([config])  # it is trained already


def test_what_was_trained_or_begun_before_is_not_refused(tmp_path: Path) -> None:
    config = config_with(tmp_path, schedule("plateau", 0.5))
    run = directory_of(config)
    run.checkpoints.mkdir(parents=True)
    Status(state=State.INTERRUPTED).write(run.status)
    run.last_checkpoint.touch()
    refuse_useless_schedules([config])
    run.last_checkpoint.unlink()
    with pytest.raises(ConfigError):
        refuse_useless_schedules([config])
    finish(run)
    refuse_useless_schedules([config])


@pytest.mark.parametrize(
    "launch",
    [
        pytest.param((), id="a run"),
        pytest.param(("-m", "model=a", "seed=0,1"), marks=pytest.mark.slow, id="a study"),
        pytest.param(
            ("-m", "model=a", "seed=0,1", "study.tune={recipe.schedule.name:[cosine,plateau]}"),
            marks=pytest.mark.slow,
            id="a tuned study",
        ),
        pytest.param(
            ("task=plan", "sweeps=lrn", "claims=none"), marks=pytest.mark.slow, id="a plan"
        ),
    ],
)
def test_a_launch_ends_with_the_line_and_nothing_is_written(
    command: Command, tmp_path: Path, launch: tuple[str, ...]
) -> None:
    is_tuned = any("study.tune" in override for override in launch)
    name = "cosine" if is_tuned else "plateau"
    ended = command(*SMALL, *launch, f"recipe.schedule.name={name}")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "recipe.schedule.warmup_epochs = 0.5: must be 0" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()
