"""What the nets of a study take: from finished runs, from a pilot, or by arithmetic."""

from __future__ import annotations

import platform
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, assert_never

from rich.console import Console

from vgglab.config import Config, flatten, plain, semantic_fields
from vgglab.data.errors import DataError
from vgglab.data.sources.registry import load_splits, published_images
from vgglab.launch.pilot import Pilot, PilotPool, start_step_tail
from vgglab.launch.pool import Point, PointResources, overrides_of
from vgglab.runs import RunRecord, State, load_runs
from vgglab.runs.disk import bytes_of
from vgglab.study import STEP_PARTS
from vgglab.study.forecast import DoneRun, Measurement, Timing, Work, from_runs, measurement
from vgglab.training.net_cost import net_cost
from vgglab.workflow.compose import compose_point
from vgglab.workflow.gpus import refuse_without_gpus
from vgglab.workflow.micro_batch import CUDA_MIB
from vgglab.workflow.points import StudyPoint, resolved_overrides
from vgglab.workflow.pretraining import directory_of
from vgglab.workflow.warm_up import load_of

NET_GROUPS = ("model", "norm", "data", "protocol", "trainer")
NET_FIELDS = ("recipe.batch_size", "recipe.scale_min", "recipe.scale_max", "recipe.select")
"""Config groups and fields that decide what a step and a test cost, and what a run keeps."""
REFERENCE_BATCH = 32
"""Largest batch of the pilot that stands in for a net whose data is absent."""


def net_key(config: Config) -> str:
    """Equal for runs whose steps cost the same."""
    # How files are decoded is no part of what a run computes, but of what a step costs.
    fields = dict(flatten({"data": plain(config.data)})) | semantic_fields(config)
    fields.pop("data.root", None)
    kept = [n for n in fields if n.split(".")[0] in NET_GROUPS or n in NET_FIELDS]
    # None of these changes what a run computes either.
    where = config.trainer.accelerator, config.devices, config.trainer.keep_checkpoints
    tests = [procedure.label for procedure in config.procedures]
    return repr([(name, fields[name]) for name in sorted(kept)] + [where, tests])


def net_name(config: Config) -> str:
    """``e, norm batch, width 0.125``."""
    return f"{config.model.full_name}, norm {config.norm.name}, width {config.model.width:g}"


class KnownCosts:
    """Measurements by net, and notes on those that could not be had as they should."""

    def __init__(self, slots: PointResources) -> None:
        self.by_net: dict[str, Measurement] = {}
        self.notes: list[str] = []
        self._slots = slots

    def from_finished_runs(self, nets: Mapping[str, Sequence[StudyPoint]]) -> None:
        """Of this machine, with as many threads: what they took is what others will take."""
        done: dict[str, list[DoneRun]] = defaultdict(list)
        folders = {p.config.paths.runs_folder for points in nets.values() for p in points}
        for run in (run for folder in folders for run in load_runs(folder)):
            if found := done_run(run, self._slots):
                done[net_key(run.config)].append(found)
        self.by_net |= {key: from_runs(done[key]) for key in nets if done[key]}

    def from_pilots(self, nets: Mapping[str, Sequence[StudyPoint]], console: Console) -> None:
        """A few steps of each net that is not known yet; of a stand-in where its data is absent.

        Raises:
            ConfigError: there are no such GPUs.
        """
        work: dict[str, Work] = {}
        points: dict[Point, list[str]] = defaultdict(list)
        stand_ins: dict[str, Config] = {}
        absent: dict[str, list[str]] = defaultdict(list)
        for key, (first, *_) in nets.items():
            if key in self.by_net:
                continue
            config = first.config
            try:
                work[key], point = work_of(config), without_parent(first)
            except DataError as error:
                if (images := published_images(config.data)) is None:
                    self.notes.append(f"{net_name(config)}: nothing known: {error}")
                    continue
                work[key] = published_work(config, images)
                overrides = stand_in_overrides(config)
                stand_ins[key] = compose_point(overrides)
                point = Point(directory_of(stand_ins[key]), overrides)
                absent[str(error)].append(net_name(config))
            points[point].append(key)
        self.notes += [_stands_in(names, error) for error, names in absent.items()]
        if not points:
            return
        refuse_without_gpus(next(iter(nets.values()))[0].config)
        count = f"{len(points)} net{'s' if len(points) > 1 else ''}"
        console.print(f"pilot: some steps of {count}, {self._slots.jobs} at a time", style="dim")
        for point, pilot in self._pilots(list(points), next(iter(nets.values()))[0].config):
            for key in points[point]:
                self._learn(key, nets[key][0].config, pilot, work[key], stand_ins.get(key))

    def _learn(
        self, key: str, config: Config, pilot: Pilot, work: Work, stand_in: Config | None
    ) -> None:
        timing = timing_of(pilot, stand_in or config, "pilot")
        if timing is None:
            self.notes.append(f"{net_name(config)}: its pilot ended with code {pilot.code}")
            return
        if stand_in is not None:
            timing = scaled(timing, config, stand_in)
        self.by_net[key] = measurement(timing, work)

    def _pilots(self, points: Sequence[Point], config: Config) -> Iterator[tuple[Point, Pilot]]:
        by_overrides = {point.overrides: point for point in points}
        resolved = [*resolved_overrides(config), f"trainer.threads={self._slots.threads}"]
        if config.tracking.mode == "online":
            resolved.append("tracking.mode=offline")
        with tempfile.TemporaryDirectory(prefix="vgglab-plan-") as folder:
            pool = PilotPool(
                self._slots,
                resolved,
                Path(folder),
                load_of(config),
            )
            for pilot in pool.run(points):
                yield by_overrides[pilot.measured], pilot


def _stands_in(names: Sequence[str], error: str) -> str:
    return (
        f"{'; '.join(dict.fromkeys(names))}: estimated from MACs and the MACs a second of the same "
        f"layers on 32 px digits here, for the data is absent: {error}"
    )


def without_parent(point: StudyPoint) -> Point:
    """The point with first weights of its own: those of a parent are not there yet, and a step
    takes as long."""
    if point.stage.parent is None:
        return point.point
    drawn = (*point.point.overrides, "init=he", "task.ancestor=0")
    return Point(directory_of(compose_point(drawn)), drawn)


def done_run(run: RunRecord, slots: PointResources) -> DoneRun | None:
    """What a finished run took; None where it says nothing of this machine."""
    hardware, speed = run.result.get("hardware", {}), run.result.get("speed", {})
    history = run.status.history
    here = all(attempt.host == platform.node() for attempt in history)
    if run.status.state is not State.FINISHED or not history or not here:
        return None
    if hardware.get("threads") != slots.threads or "train_seconds" not in speed:
        return None
    seconds = sum((a.ended or a.started) - (a.launched or a.started) for a in history)
    return DoneRun(
        seconds=seconds,
        train_seconds=speed["train_seconds"],
        epochs=run.status.epoch,
        # Before 26 November 2026 only the first was written, and on CPUs alone.
        memory_mib=speed.get("host_memory_mib", speed.get("peak_memory_mib")),
        card_mib=_with_cuda(speed.get("card_memory_mib")),
        disk_bytes=bytes_of(run.directory.path),
        data_percent=_data_percent(speed),
    )


def _data_percent(speed: Mapping[str, Any]) -> float | None:
    """From the parts of a step that an epoch or a run has recorded."""
    whole = sum(speed.get(part, 0.0) for part in STEP_PARTS)
    return 100 * speed["data_ms"] / whole if whole else None


def work_of(config: Config) -> Work:
    """Of a run whose data is here.

    Raises:
        DataError: it is not.
    """
    splits = load_splits(config.data, config.paths.data_folder)
    return _work(config, *(len(part) for part in (splits.train, splits.validation, splits.test)))


def published_work(config: Config, images: tuple[int, int]) -> Work:
    """Work of a run on a published data set, by its numbers of training and test images."""
    train, test = images
    data = plain(config)["data"]
    validation: int = data["validation_images"]
    return _work(config, data.get("train_images") or train - validation, validation, test)


def _work(config: Config, train: int, validation: int, test: int) -> Work:
    return Work(
        train_images=train,
        batch_size=config.recipe.batch_size,
        validation_images=validation,
        test_forwards=test * sum(procedure.forwards for procedure in config.procedures),
    )


def stand_in_overrides(config: Config) -> tuple[str, ...]:
    """The same layers on digits, which every installation has."""
    return tuple(
        overrides_of(
            {
                "model": config.model.full_name,
                "norm": config.norm.name,
                "model.width": config.model.width,
                "recipe.batch_size": min(config.recipe.batch_size, REFERENCE_BATCH),
                "data": "digits",
                "tracking": "off",
                "paths.data": config.paths.data,
            }
        )
    )


def scaled(timing: Timing, config: Config, measured: Config) -> Timing:
    """Scale a measured step, by MACs, to the net that is meant.

    Args:
        timing: of the net that was measured.
        config: of the net that is meant.
        measured: config of the net that was measured.

    Returns:
        The timing of the net that is meant, as far as arithmetic can tell.
    """
    cost, reference = net_cost(config), net_cost(measured)
    times = (cost.macs * config.recipe.batch_size) / (reference.macs * measured.recipe.batch_size)
    more = tensors_mib(config) - tensors_mib(measured)
    memory, card = timing.memory_mib, timing.card_mib
    if card is not None:
        card += more
    elif memory is not None:
        memory += more
    return Timing(
        start=timing.start,
        step=timing.step * times,
        tail=None,
        end=timing.end,
        memory_mib=memory,
        card_mib=card,
        disk_bytes=(timing.disk_bytes or 0) + checkpoint_bytes(config) - checkpoint_bytes(measured),
        source="arithmetic",
    )


def tensors_mib(config: Config) -> float:
    """Parameters, gradients and optimiser state; each layer's output and its gradient."""
    cost = net_cost(config)
    values = cost.values_in_training * cost.parameters
    values += 2 * cost.activations_all * config.recipe.batch_size
    return 4 * values / 2**20  # bytes of fp32


def _with_cuda(held_mib: float | None) -> float | None:
    """What a process takes of a GPU, from what torch holds of it, MiB."""
    return held_mib + CUDA_MIB if held_mib is not None else None


def timing_of(pilot: Pilot, config: Config, source: str) -> Timing | None:
    """What a pilot shows of the runs of its config; None if it ended too soon.

    Args:
        pilot: ended.
        config: of the net that it has trained.
        source: says where the timing is from.
    """
    seen = start_step_tail(pilot)
    if seen is None or pilot.ended is None:
        return None
    start, step, tail = seen
    asked = pilot.asked_to_stop
    return Timing(
        start=start,
        step=step,
        tail=tail,
        end=pilot.ended - asked if asked is not None else 0.0,
        memory_mib=pilot.memory_mib,
        card_mib=_with_cuda(pilot.card_mib),
        disk_bytes=pilot.disk_bytes + checkpoint_bytes(config),
        data_percent=_pilots_data_percent(pilot),
        source=source,
    )


def _pilots_data_percent(pilot: Pilot) -> float | None:
    if pilot.data_percent is not None or pilot.epoch is None:
        return pilot.data_percent
    return _data_percent({k.removeprefix("speed/"): v for k, v in pilot.epochs[-1].items()})


def checkpoint_bytes(config: Config) -> int:
    """Bytes of the checkpoints that a finished run keeps; their values are in fp32."""
    cost = net_cost(config)
    best, last = cost.parameters, (1 + cost.state_values) * cost.parameters
    match config.trainer.keep_checkpoints, config.recipe.select:
        case "all", _:
            return 4 * (best + 2 * last)
        case "selected", "best":
            return 4 * best
        case "selected", "last":
            return 4 * last
        case other:
            assert_never(other)
