"""What the report says besides: whose resume was verified, and how many test images were lost."""

from __future__ import annotations

import dataclasses

from study_points import run, view

from vgglab.report.every_run import certificate_lines
from vgglab.report.setup import facts_of, skipped_line
from vgglab.runs import RunRecord
from vgglab.runs.records import Certificate, Interruption, UnreadableTestImages


def certificate(*different: str) -> Certificate:
    return {"epochs": 2, "interruptions": [interruption(), interruption(*different)]}


def interruption(*different: str) -> Interruption:
    return {
        "where": "within an epoch",
        "moment": "step",
        "at": 1,
        "of": 2,
        "signal": "SIGTERM",
        "resumed_from_step": 1,
        "different": list(different),
    }


def test_it_cites_what_is_there() -> None:
    plain = run("a", 0, 5.0)
    equal = dataclasses.replace(run("a", 1, 5.0), certificate=certificate())
    wrong = dataclasses.replace(run("b", 0, 5.0), certificate=certificate("weights", "predictions"))
    assert certificate_lines(view(plain)) == []
    assert certificate_lines(view(plain, equal, wrong)) == [
        f"Resume verified for run {equal.id}: all equal, to the bit "
        "(2 interruptions of 2 epochs, verify.json).",
        f"Resume is not exact for run {wrong.id}: predictions, weights differ "
        "(2 interruptions of 2 epochs, verify.json).",
    ]


def test_it_says_how_many_test_images_were_lost() -> None:
    whole = run("a", 0, 5.0)
    lost: UnreadableTestImages = {"images": 50, "skipped": 2, "counted_as": "errors"}
    part = run("a", 1, 5.0)
    part = dataclasses.replace(part, result=part.result | {"test": lost})
    assert skipped_line(view(whole)) == ""
    assert skipped_line(view(whole, part)) == (
        "2 of 50 test images could not be read (data.on_error=skip): each counts as an error "
        "under every protocol in 1 of 2 runs; skipped.csv in a run's folder names them."
    )


def test_the_recipe_says_what_it_has_beside_the_papers() -> None:
    plain = run("a", 0, 5.0)
    recipe = dataclasses.replace(
        plain.config.recipe, optimizer="adamw", label_smoothing=0.1, clip_gradients=2.0
    )
    other = dataclasses.replace(plain, config=dataclasses.replace(plain.config, recipe=recipe))

    def recipe_line(*runs: RunRecord) -> str:
        return next(str(row[1]) for row in facts_of(view(*runs)).rows if row[0] == "recipe")

    assert ", sgd, learning rate " in recipe_line(plain)
    assert "smoothing" not in recipe_line(plain)
    assert "clipped" not in recipe_line(plain)
    assert ", adamw, learning rate " in recipe_line(other)
    assert ", label smoothing 0.1, gradients clipped at 2, " in recipe_line(other)
