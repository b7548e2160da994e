"""Names that people bring from Hydra's templates, Lightning and timm are answered with ours."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import completed

from vgglab.config.parse import ELSEWHERE, is_known, parse, unknown_field
from vgglab.runs import RunDirectory
from vgglab.workflow.evaluation import config_to_test, named_runs


@pytest.mark.parametrize(
    ("typed", "here"),
    [
        ("experiment=laptop", "experiments="),
        ("trainer.max_epochs=3", "recipe.epochs="),
        ("recipe.lr=0.1", "recipe.learning_rate="),
        ("logger=wandb", "tracking=offline, online or off"),
        ("ckpt_path=last.ckpt", "goes on from its last checkpoint"),
        ("optimizer=sgd", "recipe.optimizer="),
        ("optimizer.lr=0.1", "recipe.learning_rate="),
        ("+trainer.batch_size=8", "recipe.batch_size="),
        ("data.batch_size=8", "recipe.batch_size="),
        ("model.momentum=0.8", "recipe.momentum="),
        ("epochs=3", "recipe.epochs="),
    ],
)
def test_the_answer_is_our_name(typed: str, here: str, tmp_path: Path) -> None:
    ended = completed(tmp_path, typed)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert here in line


def test_what_is_near_no_name_is_listed_still() -> None:
    assert unknown_field("recipe.epoch").startswith(
        "no such field; did you mean recipe.epochs? allowed"
    )


def test_every_pointer_leads_somewhere() -> None:
    """A pointer that is a field of ours is one."""
    fields = [text.rstrip("=") for text in ELSEWHERE.values() if text.endswith("=")]
    groups = {"-m sweeps", "experiments", "model", "data", "tracking"}
    for field in fields:
        assert field in groups or is_known(field)


def test_a_run_may_be_named_by_the_path_of_its_folder() -> None:
    names = ["a-s0-1", "runs/a-s0-2", "runs/a-s0-3/", "/elsewhere/a-s0-4", "~/a-s0-5"]
    tree = {"run": names}
    found = named_runs(parse(tree | {"paths": {"runs": "mine"}}))
    assert [(str(run.path), run.id) for run in found] == [
        ("mine/a-s0-1", "a-s0-1"),
        ("runs/a-s0-2", "a-s0-2"),
        ("runs/a-s0-3", "a-s0-3"),
        ("/elsewhere/a-s0-4", "a-s0-4"),
        (f"{Path.home()}/a-s0-5", "a-s0-5"),
    ]


def test_a_run_named_by_its_path_is_tested_where_it_lies(tmp_path: Path) -> None:
    """And so does a run that its weights come from."""
    run = RunDirectory(tmp_path / "elsewhere" / "a-s0-4")
    run.path.mkdir(parents=True)
    run.config.write_text("seed: 4\npaths: {runs: long/gone}\n", encoding="utf-8")
    found = config_to_test(run, parse({"task": {"name": "evaluate"}, "paths": {"runs": "runs"}}))
    assert (found.seed, found.paths.runs) == (4, str(tmp_path / "elsewhere"))
