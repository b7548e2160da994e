"""Before launch: confounds stop it, and task=plan says what it takes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import SMALL, Command, grid

from vgglab.commands import plan as plan_command
from vgglab.launch.pool import PointResources
from vgglab.study.forecast import Measurement, Totals

STUDY = (*SMALL, "sweeps=lrn", "data.test_images=4000", "recipe.epochs=1", "launcher.jobs=2")
NETS = grid(model="a", seed="0,1")


@pytest.mark.slow
def test_a_tied_difference_stops_the_launch_with_one_line(command: Command, tmp_path: Path) -> None:
    tied = ("-m", *STUDY, "seed=0", "model=a", "model.width=0.0625,0.125")
    ended = command(*tied, "recipe.learning_rate=${model.width}")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "recipe.learning_rate: 0.0625 (model.width 0.0625), 0.125 (model.width" in ended.stderr
    assert "study.allow_confounds=true" in ended.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_declaration_of_no_field_is_the_users_mistake(command: Command) -> None:
    ended = command("-m", *STUDY, *NETS, "study.nuisance=[recipe.rate]")
    assert ended.returncode == 2
    assert "study.nuisance = recipe.rate: no point has it" in ended.stderr


def test_points_that_do_not_fit_on_a_gpu_together_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = PointResources(jobs=4, threads=1, gpus=("0", "1"))
    total = Totals(seconds=1, compute_seconds=1, memory_mib=1, card_mib=50 * 2**10, disk_bytes=1)
    monkeypatch.setattr(plan_command, "card_bytes", lambda: 40 * 2**30)
    (note,) = plan_command.card_notes(total, slots)
    assert note.startswith("50.0 GiB on a GPU of 40.0 GiB, points on it at a time: 2")
    assert "launcher.jobs=2 or fewer" in note
    monkeypatch.setattr(plan_command, "card_bytes", lambda: 80 * 2**30)
    assert not list(plan_command.card_notes(total, slots))


def test_a_net_that_waits_for_images_is_told() -> None:
    known = {
        name: Measurement(
            fixed_seconds=1,
            epoch_seconds=1,
            memory_mib=1,
            disk_bytes=1,
            source="pilot",
            data_percent=percent,
        )
        for name, percent in (("a", 64.4), ("d", 20.0), ("e", 19.0), ("b", None))
    }
    (note,) = plan_command.data_notes(known)
    assert note.startswith("of a step, waiting for image files: a 64%; d 20%; what reads them")
    assert not list(plan_command.data_notes({"e": known["e"], "b": known["b"]}))


@pytest.mark.slow
def test_a_narrow_net_on_large_files_waits_for_them(command: Command, tmp_path: Path) -> None:
    """Files of 1,200 x 900 px take some 20 ms each to read here, a step of such a net a few."""
    noise_hwc = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    for number in range(96):
        folder = tmp_path / "images" / str(number % 2)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise_hwc).save(folder / f"{number}.jpg")
    data = ("data=folder", "data.root=images", "data.classes=2", "data.image_size=32")
    cheap = ("model.width=0.03125", "recipe.batch_size=4", "trainer.workers=0", "tracking=off")
    nets = ("sweeps=depth", "claims=none", *grid(model="a", seed="0,1"))
    ended = command("task=plan", *nets, *data, *cheap, "recipe.epochs=1")
    assert ended.returncode == 0, ended.stderr
    said = " ".join(ended.stdout.split())
    assert "for data" in said
    assert "waiting for image files: a, norm batch, width 0.03125" in said


@pytest.mark.slow
def test_a_plan_without_runs_times_a_few_steps(command: Command, tmp_path: Path) -> None:
    tuned = "study.tune={recipe.learning_rate:[0.01,0.02]}"
    ended = command("task=plan", *STUDY, *NETS, "format=json", tuned, "study.placebo=true")
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    first, *others = found["waiting"]
    # Two runs tune the net, and its null arm has as many as it.
    assert [len(others), found["points"]] == [5, 2]
    assert any("2 of all runs tune the nets" in note for note in found["notes"])
    assert all(first["measurement"] == other["measurement"] for other in others)
    assert first["measurement"]["source"] == "pilot"
    assert 0 <= first["measurement"]["data_percent"] <= 100
    assert 0 < first["measurement"]["fixed_seconds"] < 120  # of no machine it is known how fast
    assert 300 < first["measurement"]["memory_mib"] < 4000
    assert not list(tmp_path.glob("runs/*/result.json"))


@pytest.mark.slow
def test_nets_of_absent_data_are_estimated_at_every_scale(command: Command) -> None:
    rows = grid(experiments="table3_c_256,table3_c_384")
    decays = "+hydra.sweeper.params={recipe.weight_decay: '0.0005,0.0004'}"
    design = ("study.design=zip", "study.allow_confounds=true")
    small = ("model.width=0.03125", "claims=none", "format=json")
    ended = command("task=plan", "sweeps=paper", *rows, decays, *design, *small)
    assert ended.returncode == 0, ended.stderr
    plan = json.loads(ended.stdout)
    assert plan["points"] == 2  # of the four of the grid
    found = [point["measurement"] for point in plan["waiting"]]
    assert {measurement["source"] for measurement in found} == {"arithmetic"}
    assert {point["net"][:2] for point in plan["waiting"]} == {"a,", "c,"}  # C starts from A
    (note,) = plan["notes"]
    assert note.startswith("a, norm none, width 0.03125; c, norm none, width 0.03125: estimated")


@pytest.mark.slow
def test_two_processes_agree_that_a_net_is_untrainable(command: Command, tmp_path: Path) -> None:
    plain = ("norm=none", "init=gaussian", "recipe.untrainable_after=50", "recipe.epochs=9")
    ended = command(*SMALL, *plain, "trainer=ddp", "devices=2")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (path,) = (tmp_path / "runs").glob("*/status.json")
    status = json.loads(path.read_text(encoding="utf-8"))
    assert status["state"] == "untrainable"
    assert "on the plateau at step 50" in status["reason"]
