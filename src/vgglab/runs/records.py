"""The stored files of a run, read and written in one place: what each of them contains.

``config.yaml`` is a ``Config``, ``result.json`` a ``Result``, ``verify.json`` a ``Certificate``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

import yaml
from yaml import YAMLError

from vgglab.config import Config
from vgglab.config.parse import ConfigError, parse_stored
from vgglab.runs.atomic import write_json
from vgglab.runs.damage import DamagedFile, read_object, say_once
from vgglab.runs.directory import RunDirectory
from vgglab.runs.metrics import Record, read_metrics
from vgglab.runs.status import State, Status

_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The former is ten times as fast, where PyYAML has it; both load plain values alone."""


class ProtocolErrors(TypedDict, total=False):
    """A run's test errors under one protocol, percent, and its mean loss."""

    top1_error: float
    top5_error: float
    loss: float
    images: int
    """Test images that the errors are over."""


class ProtocolTest(TypedDict, total=False):
    """Details of a run's test under one protocol."""

    scales: list[int]
    """Test scales Q, px."""
    mirrored: bool
    forwards: int
    """Forward passes of one image."""
    seconds: float


class UnreadableTestImages(TypedDict):
    """Test images that count as errors because they cannot be read."""

    images: int
    skipped: int
    counted_as: str


class Validation(TypedDict, total=False):
    """Top-1 validation errors, percent."""

    best_top1_error: float
    best_epoch: int
    last_top1_error: float


class NetSize(TypedDict, total=False):
    """Size of a net, by arithmetic alone."""

    weight_layers: int
    parameters: int
    macs: int
    """Multiply-accumulates for one image."""
    activations_all: int


class Speed(TypedDict, total=False):
    """Speed and memory measured in training."""

    step_ms: float | None
    data_ms: float
    forward_ms: float
    backward_ms: float
    optimiser_ms: float
    logging_ms: float
    images_per_second: float
    mfu: float
    """Percent."""
    peak_memory_mib: float
    """Of a GPU's tensors, or of the machine's memory without one."""
    host_memory_mib: float
    card_memory_mib: float
    """Of a GPU: what torch holds for tensors; CUDA itself takes more."""
    train_seconds: float


class Hardware(TypedDict, total=False):
    """Machine and settings of the run, with the kernels and the decoder in use where they apply."""

    accelerator: str
    device: str
    precision: str
    memory_format: str
    threads: int
    devices: int
    nodes: int
    host: str
    keep_memory: bool
    huge_pages: bool
    fused_optimizer: bool
    deterministic: bool
    decoder: str
    lrn_kernel: str
    pool_first: bool
    pool_kernel: str
    norm_kernel: str
    conv_kernel: str
    sgd_kernel: str
    pack_weights: bool
    compile: str


class Trainability(TypedDict, total=False):
    """End of the training; details of an outcome without errors are further keys."""

    state: str
    reason: str
    remedies: list[str]


class SkippedFiles(TypedDict, total=False):
    """Images of each split that could not be read."""

    train: int
    validation: int
    test: int
    files: list[list[str]]
    """Split, file and reason of each."""


class Result(TypedDict, total=False):
    """``result.json``; a run that did not finish, or is of an earlier version, lacks some parts."""

    run: str
    weights: str
    """Published weights that were tested in place of a run's own."""
    validation: Validation
    cost: NetSize
    speed: Speed
    hardware: Hardware
    trainability: Trainability
    skipped: SkippedFiles
    errors: dict[str, ProtocolErrors]
    """By label of the protocol."""
    tests: dict[str, ProtocolTest]
    test: UnreadableTestImages


class Interruption(TypedDict):
    """One interrupted training that was compared with an undisturbed one."""

    where: str
    moment: str
    at: int
    of: int
    signal: str
    resumed_from_step: int
    different: list[str]
    """Parts of the run that are not equal to the bit."""


class Certificate(TypedDict, total=False):
    """``verify.json``: whether a run resumes exactly."""

    run: str
    equal: bool
    compared: list[str]
    interruptions: list[Interruption]
    without_such_a_moment: list[str]
    machine: Hardware
    undisturbed_twice_different: list[str]
    recorded_different: list[str]
    epochs: int
    """Epochs of the trainings that were compared."""
    of_epochs: int
    when: str
    seconds: float
    commit: str
    source: str
    versions: dict[str, str]


@dataclass(frozen=True)
class RunRecord:
    """The stored files of one run."""

    directory: RunDirectory
    config: Config
    status: Status
    result: Result
    """Empty before the run has an outcome."""
    certificate: Certificate | None = None
    """None where the run has not been verified."""

    @property
    def id(self) -> str:
        return self.directory.id

    @property
    def state(self) -> State:
        return self.status.state

    def metrics(self) -> list[Record]:
        """Every record of ``metrics.jsonl``."""
        return read_metrics(self.directory.metrics)


def read_config(directory: RunDirectory) -> Config:
    """The config that a run was started with.

    Raises:
        FileNotFoundError: there is no ``config.yaml``.
        DamagedFile: it is not YAML of the kind that we write.
        ConfigError: it has a field that this version does not know, or a value that is not legal.
    """
    try:
        values = _from_yaml(directory.config.read_text(encoding="utf-8"))
        if not isinstance(values, dict):
            raise TypeError("not a mapping")
        return parse_stored(values)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, YAMLError) as error:
        raise DamagedFile(directory.config, error) from error


def _from_yaml(text: str) -> Any:
    """What a YAML text holds, by PyYAML's loader in C, which thousands of values within one another
    would end without an exception: a text that may have them is left to the one in Python."""
    may_be_deep = len(text) > 100_000 or sum(map(text.count, "[{-")) > 500
    return yaml.load(text, yaml.SafeLoader if may_be_deep else _YAML)


def read_result(directory: RunDirectory) -> Result:
    """``result.json``; empty where there is none, or a damaged one, which is said."""
    found: Any = _read_json(directory.result)
    return cast("Result", found or {})


def write_result(directory: RunDirectory, result: Result) -> None:
    """Replace ``result.json``."""
    write_json(directory.result, result)


def read_certificate(directory: RunDirectory) -> Certificate | None:
    """``verify.json``; None where there is none, or a damaged one, which is said."""
    found: Any = _read_json(directory.certificate)
    return cast("Certificate | None", found)


def write_certificate(directory: RunDirectory, certificate: Certificate) -> None:
    """Replace ``verify.json``."""
    write_json(directory.certificate, certificate)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        return read_object(path)
    except DamagedFile as error:
        say_once(error, "it is done without")
        return None


def load_run(path: Path, planned: Config | None = None) -> RunRecord:
    """The record of the run in a directory.

    Args:
        path: the run's directory.
        planned: config that leads to this directory; it stands in for a stored one that this
            version cannot read. The two compute the same, for the directory's name says so.

    Raises:
        FileNotFoundError: there is no ``config.yaml`` in it.
        ConfigError: this version cannot read it, and nothing stands in for it.
    """
    directory = RunDirectory(path)
    try:
        config = read_config(directory)
    except ConfigError as error:
        if planned is None:
            raise
        if isinstance(error, DamagedFile):
            say_once(error, "the config that leads to its folder stands in for it")
        config = planned
    status, result = directory.read_status(), read_result(directory)
    return RunRecord(directory, config, status, result, read_certificate(directory))


def load_runs(folder: Path) -> list[RunRecord]:
    """Every run in a folder whose config this version can read, by name."""
    found = []
    for path in sorted(folder.glob("*/config.yaml")):
        try:
            found.append(load_run(path.parent))
        except DamagedFile as error:
            say_once(error, "its run is left out")
        except ConfigError:  # of a version with other fields: nothing to compare
            continue
    return found


def lowest_validation_error(directory: RunDirectory, classes: int) -> float:
    """The top-1 error, percent, by which settings are chosen; of a run that has an outcome.

    Args:
        directory: of the run.
        classes: of its data.

    Returns:
        The lowest over the run's epochs; that of guessing where it diverged or was untrainable.
    """
    if directory.read_status().state is not State.FINISHED:
        return guessing_error(classes)
    return read_result(directory)["validation"]["best_top1_error"]


def guessing_error(classes: int, k: int = 1) -> float:
    """Top-k error of guessing among all classes, percent."""
    return 100.0 * (1 - min(k, classes) / classes)


AT_CHANCE, TIMES_CHANCE = 0.9, 2
"""A run that finished with at least this share of the error of guessing, and with less than so many
times its accuracy, did not train either. The second counts where there are many classes: of a
thousand, 90% error is a hundred times the accuracy of chance."""
GUESSING = "at chance"
"""What such a run is called among the states of others."""


def is_guessing(error: float, classes: int, k: int = 1) -> bool:
    """Whether a net of this top-k error, percent, hardly does better than to guess."""
    guess = guessing_error(classes, k)
    return error >= AT_CHANCE * guess and 100 - error < TIMES_CHANCE * (100 - guess)
