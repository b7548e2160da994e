"""Estimates: times, memory and disk from measured parts; what claims can show."""

from __future__ import annotations

import dataclasses

import pytest
import study_points

from vgglab.config.claims import parse_claims
from vgglab.study.claims.record import claims_record
from vgglab.study.forecast import (
    TURNAROUND_SECONDS,
    DoneRun,
    PlannedPoint,
    Resolution,
    Timing,
    Work,
    from_runs,
    makespan,
    measurement,
    resolutions,
    totals,
)
from vgglab.study.view import StudyView

WORK = Work(train_images=1000, batch_size=64, validation_images=200, test_forwards=400)


def timing(tail: float | None) -> Timing:
    return Timing(
        start=5.0,
        step=0.1,
        tail=tail,
        end=1.0,
        memory_mib=800.0,
        disk_bytes=10,
        source="pilot",
    )


def point(seconds: float, name: str = "p") -> PlannedPoint:
    known = from_runs(
        [DoneRun(seconds=seconds, train_seconds=0.0, epochs=1, memory_mib=1.0, disk_bytes=2)]
    )
    return PlannedPoint(id=name, net="a", epochs=1, measurement=known)


def test_a_run_is_its_start_its_epochs_its_test_and_its_end() -> None:
    found = measurement(timing(tail=0.4), WORK)
    assert WORK.steps == 16  # the last has 40 images
    assert found.epoch_seconds == pytest.approx(16 * 0.1 + 0.4)
    assert found.fixed_seconds == pytest.approx(5.0 + 400 * 0.4 / 200 + 1.0)
    assert found.seconds(3) == pytest.approx(6.8 + 3 * 2.0)


def test_without_an_epoch_a_forward_is_a_third_of_a_step() -> None:
    found = measurement(timing(tail=None), WORK)
    assert found.epoch_seconds == pytest.approx(1.6 + 200 * 0.1 / 64 / 3)


def test_finished_runs_are_averaged_and_scale_with_epochs() -> None:
    runs = [
        DoneRun(seconds=s, train_seconds=s - 6, epochs=4, memory_mib=m, disk_bytes=100)
        for s, m in ((26.0, 700.0), (30.0, 900.0))
    ]
    found = from_runs(runs)
    assert found.seconds(4) == pytest.approx(28.0)
    assert found.seconds(8) == pytest.approx(6 + 2 * 22)
    assert (found.memory_mib, found.source) == (900.0, "2 finished runs")


def test_points_take_whichever_place_is_free_first() -> None:
    pause = TURNAROUND_SECONDS
    assert makespan([10, 4, 4, 4], jobs=2) == pytest.approx(12 + 3 * pause)
    assert makespan([10, 4], jobs=1) == pytest.approx(14 + 2 * pause)


def test_totals_know_what_they_do_not_know() -> None:
    whole = totals([point(10), point(20)], jobs=2, overhead_seconds=5)
    assert whole.seconds == pytest.approx(20 + TURNAROUND_SECONDS + 5)
    assert (whole.compute_seconds, whole.memory_mib, whole.disk_bytes) == (30, 2.0, 4)
    unknown = PlannedPoint(id="q", net="e", epochs=1, measurement=None)
    part = totals([point(10), unknown], jobs=2, overhead_seconds=5)
    assert (part.seconds, part.memory_mib, part.disk_bytes) == (None, None, None)
    assert totals([], jobs=2, overhead_seconds=5).compute_seconds == 0


def test_memory_of_a_gpu_is_counted_apart_by_the_points_that_share_it() -> None:
    runs = [
        DoneRun(seconds=9, train_seconds=3, epochs=1, memory_mib=4e3, disk_bytes=2, card_mib=mib)
        for mib in (900.0, 1000.0)
    ]
    known = from_runs(runs)
    assert (known.memory_mib, known.card_mib) == (4000, 1000)
    points = [PlannedPoint(id=n, net="a", epochs=1, measurement=known) for n in "abcde"]
    whole = totals(points, jobs=4, overhead_seconds=0, sharing=2)
    assert (whole.memory_mib, whole.card_mib) == (16_000, 2000)
    assert totals([*points, point(1)], 4, 0, sharing=2).card_mib is None


CLAIMS = parse_claims(
    {
        "same": {
            "statement": "A-LRN and A do not differ",
            "direction": "equal",
            "compare": [{"model.name": "a_lrn"}, {"model.name": "a"}],
            "margin": 0.5,
            "margin_reason": "half of the smallest gain",
        },
        "better": {
            "statement": "B beats A",
            "direction": "lower",
            "compare": [{"model.name": "b"}, {"model.name": "a"}],
            "paper": {"errors": [28.7, 29.6]},
        },
    }
)
ERRORS = {"a": (13.0, 13.4, 12.9), "a_lrn": (13.1, 13.1, 13.3), "b": (8.0, 12.9, 8.4)}


def planned(*models: str, seeds: int = 3) -> StudyView:
    runs = [
        study_points.run(model, seed, error)
        for model in models
        for seed, error in enumerate(ERRORS[model])
    ]
    waiting = [
        study_points.missing(model, seed)
        for model in ("a", "a_lrn", "b")
        for seed in range(3 if model in models else 0, seeds)
    ]
    return dataclasses.replace(study_points.view(*runs, *waiting), claims=CLAIMS)


def resolved(*models: str, seeds: int = 3) -> dict[str, Resolution]:
    return {found.claim: found for found in resolutions(planned(*models, seeds=seeds))}


def test_before_any_run_nothing_is_known() -> None:
    found = resolved()
    assert {(r.detectable, r.noise_of, r.seeds) for r in found.values()} == {(None, "", 3)}


def test_the_noise_of_finished_runs_gives_what_more_seeds_detect() -> None:
    few, many = resolved("a", "a_lrn"), resolved("a", "a_lrn", seeds=12)
    assert many["same"].seeds == 12
    assert many["same"].detectable is not None
    assert few["same"].detectable is not None
    assert 0 < many["same"].detectable < few["same"].detectable
    assert many["same"].noise_of == "this claim"
    # B has no run yet: its noise is taken to be like the other claim's.
    assert many["better"].noise_of == "other claims"
    assert many["better"].pairs == 0


def test_a_plan_wants_as_many_seeds_as_the_report() -> None:
    view = planned("a", "b")
    in_report = {found["claim"]: found["seeds_wanted"] for found in claims_record(view)["claims"]}
    in_plan = {found.claim: found.wanted for found in resolutions(view)}
    assert in_plan == in_report
    assert in_plan["better"] is not None
    assert 3 < in_plan["better"] < 50
    assert in_plan["same"] is None  # A-LRN has no run yet
