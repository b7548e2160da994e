"""The pool with points that only say what they were started with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from vgglab import checkout
from vgglab.launch.pool import Point, PointResources, Pool, overrides_of
from vgglab.runs import RunDirectory, State, Status


@pytest.fixture(autouse=True)
def own_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test enters a checkout of its own; afterwards the environment is as it was."""
    monkeypatch.setenv(checkout.VARIABLE, "")


next_of: Any = getattr(Pool, "_next")  # noqa: B009


FAKE_RUN = """
import json, os, signal, sys
from pathlib import Path
name = next(a.partition("=")[2] for a in sys.argv if a.startswith("name="))
folder = Path(__file__).parent / "runs" / name
(folder / "seen.json").write_text(json.dumps({"argv": sys.argv[1:], "env": dict(os.environ)}))
print("said on the way")
if name == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
sys.exit(3 if name == "broken" else 0)
"""


def run_pool(
    root: Path, names: list[str], resources: PointResources
) -> dict[str, Mapping[str, object]]:
    """Run a point for each name; what each saw."""
    checkout.enter(root)
    (root / "run.py").write_text(FAKE_RUN)
    points = [Point(RunDirectory(root / "runs" / name), (f"name={name}",)) for name in names]
    most = 0
    for running, _ in Pool(resources, ["trainer.threads=2"]).run(points):
        most = max(most, len(running))
    assert most <= resources.jobs
    return {n: json.loads((root / "runs" / n / "seen.json").read_text()) for n in names}


def test_a_point_is_started_as_if_typed_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    seen = run_pool(tmp_path, ["x"], PointResources(jobs=1, threads=2, gpus=()))["x"]
    assert seen["argv"] == [
        "trainer.threads=2",
        "name=x",
        "hydra.mode=RUN",
        "hydra/launcher=basic",
    ]
    environment = seen["env"]
    assert isinstance(environment, dict)
    assert not {"LOCAL_RANK", "WORLD_SIZE", "CUDA_VISIBLE_DEVICES"} & environment.keys()
    assert environment["OMP_NUM_THREADS"] == "2"
    assert (tmp_path / "runs/x/train.log").read_text() == "said on the way\n"


@pytest.mark.parametrize("gpus", [("2", "3"), ("GPU-5a", "GPU-5b"), ("MIG-1", "MIG-2")])
def test_each_gpu_is_one_slots(gpus: tuple[str, ...], tmp_path: Path) -> None:
    seen = run_pool(tmp_path, ["a", "b"], PointResources(jobs=2, threads=1, gpus=gpus))
    devices = set()
    for point in seen.values():
        environment = point["env"]
        assert isinstance(environment, dict)
        devices.add(environment["CUDA_VISIBLE_DEVICES"])
    assert devices == set(gpus)


def test_points_of_several_gpus_share_none_while_there_are_enough() -> None:
    resources = PointResources(jobs=3, threads=1, gpus=("0", "1", "2", "3", "4"), devices=2)
    shown = [resources.environment(slot)["CUDA_VISIBLE_DEVICES"] for slot in range(3)]
    assert shown == ["0,1", "2,3", "0,1"]


def test_a_point_that_cannot_speak_for_itself_is_spoken_for(tmp_path: Path) -> None:
    run_pool(tmp_path, ["broken", "killed", "fine"], PointResources(jobs=2, threads=1, gpus=()))
    broken = Status.read(tmp_path / "runs/broken/status.json")
    assert broken.state is State.FAILED
    assert "exit code 3 before training; see" in broken.reason
    killed = Status.read(tmp_path / "runs/killed/status.json")
    assert (killed.state, killed.reason) == (State.INTERRUPTED, "killed by SIGKILL")
    assert (tmp_path / "runs/fine/seen.json").exists()


FAMILY = """
import json, sys, time
from pathlib import Path
name = next(a.partition("=")[2] for a in sys.argv if a.startswith("name="))
folder = Path(__file__).parent / "runs" / name
(folder / "started").touch()
time.sleep(0.7)  # longer than a poll: those that may run at once are seen at once
if "broken" in name:
    sys.exit(3)
(folder / "result.json").write_text(json.dumps({"validation": {"best_top1_error": 5.0}}))
(folder / "status.json").write_text(json.dumps({"state": "finished"}))
"""


def run_family(root: Path, parents: Mapping[str, str]) -> list[list[str]]:
    """Run a point for each name after its parent; who ran at each look."""
    checkout.enter(root)
    (root / "run.py").write_text(FAMILY)
    runs = {name: RunDirectory(root / "runs" / name) for name in parents}
    for directory in runs.values():
        Status(state=State.PENDING).write(directory.status)
    points = [
        Point(runs[name], (f"name={name}",), after=runs.get(parent))
        for name, parent in parents.items()
    ]
    looks: list[list[str]] = []
    for running, _ in Pool(PointResources(jobs=2, threads=1, gpus=()), []).run(points):
        looks.append([point.directory.id for point in running])
    return looks


def test_points_that_another_launcher_trains_come_last(tmp_path: Path) -> None:
    runs = [RunDirectory(tmp_path / "runs" / name) for name in ("a", "b", "c", "d")]
    waiting = [Point(run, ()) for run in runs]
    pool = Pool(PointResources(jobs=1, threads=1, gpus=()), [])
    order: list[str] = []
    with runs[0].claim(), runs[2].claim():
        while (point := next_of(pool, waiting)) is not None:
            order.append(point.directory.id)
    assert order == ["b", "d", "a", "c"]


@pytest.mark.slow
def test_children_wait_for_their_parent_and_others_do_not(tmp_path: Path) -> None:
    looks = run_family(tmp_path, {"a": "", "d": "a", "e": "a", "other": ""})
    assert set(looks[0]) == {"a", "other"}
    assert any(set(look) == {"d", "e"} for look in looks)
    assert not any({"a", "d"} <= set(look) or {"a", "e"} <= set(look) for look in looks)


def test_a_failed_parent_fails_its_descendants_without_starting_them(tmp_path: Path) -> None:
    run_family(tmp_path, {"broken": "", "d": "broken", "d_again": "d", "other": ""})
    states = {p.name: Status.read(p / "status.json") for p in (tmp_path / "runs").iterdir()}
    assert {name: str(status.state) for name, status in states.items()} == {
        "broken": "failed", "d": "failed", "d_again": "failed", "other": "finished",
    }  # fmt: skip
    assert states["d"].reason == "its parent broken has failed"
    assert states["d_again"].reason == "its parent d has failed"
    assert not (tmp_path / "runs/d/started").exists()


def test_overrides_are_spelt_as_hydra_reads_them() -> None:
    assert overrides_of({"a.b": 1, "c": "x"}) == ["a.b=1", "c=x"]
