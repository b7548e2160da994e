"""The whole config of one run: the tree that every command composes."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.data import DataConfig, DigitsConfig, FilesConfig
from vgglab.config.fields import STRICT, Role
from vgglab.config.infrastructure import (
    JudgeConfig,
    LauncherConfig,
    PathsConfig,
    PrepareConfig,
    PruneConfig,
    ReportConfig,
    SyncConfig,
    TrackingConfig,
    TrainerConfig,
    VerifyConfig,
)
from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.config.protocol import Procedure, ProtocolConfig, procedure
from vgglab.config.recipe import RecipeConfig, usual_scale

TaskName = Literal[
    "train",
    "evaluate",
    "report",
    "runs",
    "describe",
    "prepare",
    "sync",
    "dashboard",
    "plan",
    "prune",
    "verify",
    "bundle",
    "judge",
    "diff",
]
Names = str | tuple[str, ...]
"""One, or a list."""
TunedValue = bool | int | float | str


@dataclass(config=STRICT, kw_only=True, frozen=True)
class TaskConfig:
    """What the command does with the config."""

    name: Annotated[TaskName, Role.INFRASTRUCTURE] = "train"
    ancestor: Annotated[int, Field(ge=0, le=100), Role.INFRASTRUCTURE] = 0
    """``train``: not the run, but the one that its weights come from (1), that one's (2), ..."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class StudyConfig:
    """The study that a sweep's points belong to; a run does not depend on it."""

    name: Annotated[str, Role.INFRASTRUCTURE] = "adhoc"
    """Names the folder under ``paths.studies`` and the W&B group."""
    asks: Annotated[str, Role.INFRASTRUCTURE] = ""
    """The question, in a sentence, for the report."""
    paper: Annotated[str, Role.INFRASTRUCTURE] = ""
    """What the paper found, in a sentence, for the report."""
    scientific: Annotated[tuple[str, ...], Role.INFRASTRUCTURE] = ()
    """Fields or groups whose effect the study asks about. What its grid varies counts as one of
    them without being named; what a choice of the grid changes elsewhere does not."""
    nuisance: Annotated[tuple[str, ...], Role.INFRASTRUCTURE] = ("seed",)
    """Fields or groups that may differ between points although the study does not ask about them,
    such as a learning rate tuned for each net. The report says so."""
    allow_confounds: Annotated[bool, Role.INFRASTRUCTURE] = False
    """Launch although points differ in fields that are not declared. The report says so."""
    design: Annotated[Literal["grid", "one_at_a_time", "zip"], Role.INFRASTRUCTURE] = "grid"
    """Points that are made of the values that the sweep lists; every seed crosses with each.
    ``grid``: all combinations. ``one_at_a_time``: a base, and what differs from it in one factor;
    the base has the value that the config has without the list, or else the list's first. ``zip``:
    the first values together, the second ones together, and so on; the lists are equally long."""
    looks: Annotated[tuple[int, ...], Role.INFRASTRUCTURE] = ()
    """Numbers of seeds at which the study is judged, ascending. After each look the nets that no
    open claim needs are dropped; the study ends when every claim has its word. Empty: it is judged
    once, with all seeds of its grid."""
    minutes: Annotated[float, Field(ge=0, le=5_256_000), Role.INFRASTRUCTURE] = 0
    """Wall-clock minutes of training over all looks, after which no further look is begun; 0: as
    long as it takes."""
    placebo: Annotated[bool, Role.INFRASTRUCTURE] = False
    """Train the net that most claims compare a second time, under seeds of its own (1000 and up):
    the difference of a net from itself, which must not be shown."""
    tune: Annotated[dict[str, tuple[TunedValue, ...]], Role.INFRASTRUCTURE] = Field(
        default_factory=dict
    )
    """Field of the recipe -> values to try. Each net is trained with every combination of them
    under ``tuning_seeds``, and its points then have the one of lowest validation error."""
    tuning_seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Role.INFRASTRUCTURE
    ] = (900,)
    """Seeds of the runs that nets are tuned by; no point of the study has one of them."""
    tuning_control: Annotated[bool, Role.INFRASTRUCTURE] = True
    """Train the tuned nets also with the one combination that is best over all of them, so that the
    report can say which words follow from the tuning."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", self.name):
            raise ValueError(
                f"name = {self.name!r}: must be 1 to 64 letters, digits, '_', '-' or '.'"
            )
        if any(later <= earlier for earlier, later in pairwise((1, *self.looks))):
            raise ValueError(
                f"looks = {list(self.looks)}: must be ascending numbers of seeds, the first 2 or "
                "more, such as [3, 5, 8, 12, 20]"
            )
        if self.minutes and not self.looks:
            raise ValueError(
                f"minutes = {self.minutes:g}: is counted between looks; declare study.looks, or "
                "leave it 0"
            )
        for field, values in self.tune.items():
            if not field.startswith("recipe."):
                raise ValueError(
                    f"tune = {field}: must be a field of the recipe, such as recipe.learning_rate"
                )
            if len(set(values)) < max(2, len(values)):
                raise ValueError(
                    f"tune.{field} = {list(values)}: must be two or more values, each once"
                )
        if self.tune and len(set(self.tuning_seeds)) < max(1, len(self.tuning_seeds)):
            raise ValueError(
                f"tuning_seeds = {list(self.tuning_seeds)}: must be one or more seeds, each once"
            )


@dataclass(config=STRICT, kw_only=True, frozen=True)
class Config:
    """One experiment."""

    task: Annotated[TaskConfig, Role.INFRASTRUCTURE] = Field(default_factory=TaskConfig)
    seed: Annotated[int, Field(ge=0, lt=2**31), Role.SCIENTIFIC] = 0
    """Initial weights, sample order, augmentation and dropout."""
    model: ModelConfig = Field(default_factory=ModelConfig)
    norm: NormConfig = Field(default_factory=NormConfig)
    init: InitConfig = Field(default_factory=InitConfig)
    data: DataConfig = Field(default_factory=DigitsConfig)
    recipe: RecipeConfig = Field(default_factory=RecipeConfig)
    protocol: ProtocolConfig = Field(default_factory=ProtocolConfig)
    trainer: TrainerConfig = Field(default_factory=TrainerConfig)
    tracking: Annotated[TrackingConfig, Role.INFRASTRUCTURE] = Field(default_factory=TrackingConfig)
    launcher: Annotated[LauncherConfig, Role.INFRASTRUCTURE] = Field(default_factory=LauncherConfig)
    prepare: Annotated[PrepareConfig, Role.INFRASTRUCTURE] = Field(default_factory=PrepareConfig)
    prune: Annotated[PruneConfig, Role.INFRASTRUCTURE] = Field(default_factory=PruneConfig)
    sync: Annotated[SyncConfig, Role.INFRASTRUCTURE] = Field(default_factory=SyncConfig)
    report: Annotated[ReportConfig, Role.INFRASTRUCTURE] = Field(default_factory=ReportConfig)
    judge: Annotated[JudgeConfig, Role.INFRASTRUCTURE] = Field(default_factory=JudgeConfig)
    verify: Annotated[VerifyConfig, Role.INFRASTRUCTURE] = Field(default_factory=VerifyConfig)
    paths: Annotated[PathsConfig, Role.INFRASTRUCTURE] = Field(default_factory=PathsConfig)
    study: Annotated[StudyConfig, Role.INFRASTRUCTURE] = Field(default_factory=StudyConfig)
    devices: Annotated[int, Field(ge=0, le=1024), Role.DIVISION] = 1
    """GPUs of a run on each node, or processes that share its cores; 0: all GPUs there are."""
    nodes: Annotated[int, Field(ge=1, le=10_000), Role.DIVISION] = 1
    """Machines of a run; more than 1 are started by SLURM or torchrun."""
    micro_batch: Annotated[
        Literal["auto"] | Annotated[int, Field(ge=0, le=65_536)], Role.INFRASTRUCTURE
    ] = 0
    """Images that a device takes at a time, at most: ``trainer.accumulate`` follows, and the global
    batch stays. ``auto``: as many as fit, found by trying before the run starts. 0: the device's
    whole share, in ``trainer.accumulate`` parts."""
    format: Annotated[Literal["table", "json", "csv", "latex"], Role.INFRASTRUCTURE] = "table"
    """What ``task=describe``, ``task=diff``, ``task=evaluate``, ``task=judge``, ``task=plan``,
    ``task=prepare``, ``task=prune``, ``task=report`` and ``task=runs`` print; ``latex`` is of
    ``task=report`` alone."""
    run: Annotated[Names, Role.INFRASTRUCTURE] = ()
    """``task=evaluate``: the runs to test; ``task=verify``: to interrupt and compare;
    ``task=diff``: two to compare. Each by its id in ``paths.runs``, or the path of its folder."""
    studies: Annotated[Names, Role.INFRASTRUCTURE] = ()
    """``task=diff``: the two studies to compare, the earlier one first. Each by its name in
    ``paths.studies``, or by the path of its folder. ``sweeps=[A,B]`` means the same."""
    fuse: Annotated[Names, Role.INFRASTRUCTURE] = ()
    """``task=evaluate``: stored predictions to average, each ``<run>`` or ``<run>:<protocol>``."""
    weights: Annotated[str, Role.INFRASTRUCTURE] = ""
    """``task=evaluate``: published weights to test, ``torchvision:<name>`` or a file of theirs."""
    weights_classes: Annotated[str, Role.INFRASTRUCTURE] = ""
    """With ``weights``: a text file that names the class of each output, a line each; empty: the
    outputs are in the order of the data set's labels, of class folders that of their names."""
    weights_preprocessing: Annotated[
        Literal["auto", "torchvision", "caffe_rgb", "caffe_bgr"], Role.INFRASTRUCTURE
    ] = "auto"
    """With ``weights``: how the images were prepared in training. ``torchvision``: ImageNet's mean
    and deviation. ``caffe_rgb``, ``caffe_bgr``: the mean alone, of values to 255, in this order of
    channels. ``auto``: torchvision's, and where the file is not torchvision's own this is said."""

    table: Annotated[str, Role.INFRASTRUCTURE] = ""
    """``task=judge``: runs from elsewhere, a CSV or parquet: columns ``arm``, ``seed``, ``error``;
    or a row a test image of each: ``arm``, ``seed``, ``image``, ``label``, ``prediction``.
    ``wandb:ENTITY/PROJECT``: the finished runs of a W&B project."""
    bundle: Annotated[str, Role.INFRASTRUCTURE] = ""
    """``task=bundle``: the zip to write; empty: ``studies/<name>/<name>.bundle.zip``.
    ``task=judge``: the zip to check; empty: the study that is named is judged in its folder."""
    baseline: Annotated[Names, Role.INFRASTRUCTURE] = ()
    """``task=judge``: runs of one arm that ``candidate`` is to be better than, as in ``run``; with
    ``table``, the name of an arm."""
    candidate: Annotated[Names, Role.INFRASTRUCTURE] = ()
    """``task=judge``: runs of one arm; is its error shown to be lower than the baseline's? With
    ``table``, names of arms, of each of which this is asked."""

    @property
    def study_folder(self) -> Path:
        """``studies/<study>/``: the study's report and what else is written about it."""
        return self.paths.studies_folder / self.study.name

    @property
    def processes(self) -> int:
        """Of a run, over all nodes."""
        return self.devices * self.nodes

    @property
    def parts(self) -> int:
        """That the batch of a step is divided into: devices times micro-batches."""
        return self.processes * self.trainer.accumulate

    @property
    def procedures(self) -> tuple[Procedure, ...]:
        """What the run is tested under: its protocol, then those of ``protocol.also`` at
        the rule's scales, each label once.

        Raises:
            ValueError: one of them does not fit the images.
        """
        no_scales: tuple[int, ...] = ()
        asked = [(self.protocol.name, self.protocol.scales)]
        asked += [(name, no_scales) for name in self.protocol.also]
        found = (
            procedure(
                name,
                self.recipe,
                image_size=self.data.image_size,
                flip=self.data.flip,
                scales=scales,
            )
            for name, scales in asked
        )
        # The same protocol at scales that were set is another than at the rule's.
        return tuple({one.label: one for one in found}.values())

    def __post_init__(self) -> None:
        if self.recipe.batch_size < self.parts:
            raise ValueError(
                f"recipe.batch_size = {self.recipe.batch_size}: must be at least "
                f"devices x nodes x trainer.accumulate = {self.parts}"
            )
        if self.format == "latex" and self.task.name != "report":
            raise ValueError(
                f"format = latex: task={self.task.name} prints table, json or csv; task=report has "
                "LaTeX"
            )
        if self.micro_batch and self.trainer.accumulate > 1:
            raise ValueError(
                f"micro_batch = {self.micro_batch}, trainer.accumulate = "
                f"{self.trainer.accumulate}: one follows from the other; set one of them"
            )
        is_training = self.task.name == "train"  # other tasks are about images of their own choice
        if is_training and isinstance(self.data, FilesConfig) and not self.recipe.scale_min:
            crop = self.data.image_size
            raise ValueError(
                f"recipe.scale_min = 0: data={self.data.name} has images of many sizes; set "
                f"recipe.scale_min and recipe.scale_max, the shorter side S that they are rescaled "
                f"to before the crop of {crop} px, say {usual_scale(crop)}"
            )
        if 0 < self.recipe.scale_min < self.data.image_size:
            raise ValueError(
                f"recipe.scale_min = {self.recipe.scale_min}: must be 0 or at least the crop, "
                f"data.image_size = {self.data.image_size}"
            )
        too_many = [k for k in self.protocol.top_k if k >= self.data.classes]
        if too_many:
            raise ValueError(
                f"protocol.top_k = {list(self.protocol.top_k)}: top-{too_many[0]} error needs more "
                f"than {too_many[0]} classes, and data={self.data.name} has {self.data.classes}"
            )
        if 1 not in self.protocol.top_k:
            raise ValueError(
                f"protocol.top_k = {list(self.protocol.top_k)}: must contain 1, "
                "the error that selects the best epoch"
            )
        if is_training:
            _ = self.procedures
