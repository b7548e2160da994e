"""Where and how fast a run happens. ``identity.py`` says what of it changes what is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, Role

Tag = Annotated[str, Field(min_length=1, max_length=64)]
"""As long as W&B takes one."""
PruneKind = Literal["checkpoints", "wandb", "runs", "source"]
LrnKernelName = Literal["auto", "torch", "compiled", "cpp", "triton"]


@dataclass(config=STRICT, kw_only=True, frozen=True)
class TrainerConfig:
    """The device and how it is used; ``auto`` takes what the machine has."""

    accelerator: Annotated[Literal["auto", "cpu", "gpu"], Role.INFRASTRUCTURE] = "auto"
    precision: Annotated[Literal["auto", "fp32", "tf32", "bf16"], Role.FIXED] = "auto"
    """``fp32``: everywhere, also in a GPU's convolutions. ``tf32``: on a GPU, products of fp32
    values are rounded to 10 bits. ``bf16``: autocast, weights stay fp32. ``auto``: bf16 where the
    processor computes in it."""
    memory_format: Annotated[
        Literal["auto", "channels_last", "contiguous"], Role.INFRASTRUCTURE
    ] = "auto"
    threads: Annotated[int, Field(ge=0, le=1024), Role.INFRASTRUCTURE] = 0
    """CPU threads of each process of a run; 0: ``OMP_NUM_THREADS``, else its share of the cores."""
    workers: Annotated[int, Field(ge=-1, le=256), Role.INFRASTRUCTURE] = -1
    """Processes that decode image files, for each process of a run; 0: it does so itself; -1: its
    share of the cores on a GPU, 0 elsewhere."""
    accumulate: Annotated[int, Field(ge=1, le=65_536), Role.DIVISION] = 1
    """Micro-batches that each device makes of its share of a step, one after the other."""
    batch_norm: Annotated[Literal["sync", "local"], Role.DIVISION] = "sync"
    """Batch norm on several devices. ``sync``: moments of a micro-batch over all of them, as on one
    device. ``local``: each device's own; another computation, and therefore another run."""
    compress_gradients: Annotated[Literal["none", "bf16"], Role.DIVISION] = "none"
    """``bf16``: half the bytes between devices; another computation, and therefore another run."""
    head_gradients: Annotated[Literal["sum", "factors"], Role.DIVISION] = "sum"
    """What several devices send of the fully connected layers. ``sum``: their gradients, to be
    summed up as all others. ``factors``: the layers' inputs and the gradients of their outputs,
    which each device multiplies for the whole batch; the same but for rounding, for far fewer bytes
    where layers are wide and the global batch is small. With ``compress_gradients`` the factors are
    rounded instead of their product: another run."""
    bucket_mib: Annotated[float, Field(gt=0, le=4096), Role.INFRASTRUCTURE] = 25.0
    """MiB of gradients that are sent at a time while the rest is still computed."""
    checkpoint_minutes: Annotated[float, Field(ge=0), Role.INFRASTRUCTURE] = 15.0
    """A checkpoint within an epoch after so many minutes without one; 0: only between epochs."""
    keep_checkpoints: Annotated[Literal["selected", "all"], Role.INFRASTRUCTURE] = "selected"
    """Of a run that has finished: the one that is tested and that other runs start from
    (``recipe.select``), or also the two that training would have gone on from."""
    keep_memory: Annotated[bool, Role.INFRASTRUCTURE] = True
    """On Linux CPUs, keep freed memory for the next step instead of giving it back and faulting
    its pages in again."""
    huge_pages: Annotated[bool, Role.INFRASTRUCTURE] = True
    """With ``keep_memory``, ask Linux for pages of 2 MiB."""
    kernels: Annotated[Literal["auto", "torch"], Role.INFRASTRUCTURE] = "auto"
    """What computes the net. ``auto``: the fastest that the machine has. ``torch``: torch's own
    operations, one by one, whatever the switches below say; they exist for benchmarks."""
    pool_first: Annotated[bool, Role.INFRASTRUCTURE] = True
    """For benchmarks. Where a max-pooling follows a ReLU, pool first: the same bits from a quarter
    of the work."""
    pool_kernel: Annotated[Literal["auto", "torch", "cpp"], Role.INFRASTRUCTURE] = "auto"
    """For benchmarks. What computes max-pooling of 2x2 and the ReLU after it; the same values.
    ``cpp``: a kernel as LRN's. ``auto``: ``cpp`` on a CPU, ``torch`` on a GPU and where the net is
    compiled."""
    norm_kernel: Annotated[Literal["auto", "torch", "cpp"], Role.INFRASTRUCTURE] = "auto"
    """For benchmarks. What computes batch norm in training and the ReLU after it; they differ by
    rounding. ``cpp`` and ``auto`` as for ``pool_kernel``."""
    conv_kernel: Annotated[Literal["auto", "torch", "matmul", "cudnn"], Role.INFRASTRUCTURE] = (
        "auto"
    )
    """For benchmarks. What computes a convolution; they differ by rounding. ``matmul``: on a CPU
    the gradient of filters over maps of at most 4x4 px is one matrix product. ``cudnn``: on a GPU
    in bf16, unless ``deterministic``, one kernel of cuDNN computes a convolution and the ReLU that
    follows it; faster in a bare loop, not yet measured in a run. ``auto``: ``matmul`` on a CPU,
    ``torch`` on a GPU and where the net is compiled."""
    sgd_kernel: Annotated[Literal["auto", "torch", "cpp"], Role.INFRASTRUCTURE] = "auto"
    """For benchmarks. What updates weights in bf16 on a CPU; all give the same bits. ``cpp`` and
    ``auto``: by SGD with momentum, where one backward pass gives the whole gradient and nothing
    clips it, a kernel that also rounds the weights for the next step."""
    lrn_kernel: Annotated[LrnKernelName, Role.INFRASTRUCTURE] = "auto"
    """For benchmarks. What computes local response normalisation; they differ by rounding.
    ``torch``: its own operations. ``compiled``: the same by torch.compile. ``cpp``: a kernel for
    channels_last maps on CPUs, built once by torch's extension loader. ``triton``: one for
    channels_last maps of at most 128 channels on GPUs. ``auto``: ``cpp`` on a CPU, ``triton`` on a
    GPU. Where a kernel cannot be had, ``torch`` computes, in place of ``triton`` on a GPU
    ``compiled``."""
    compile: Annotated[Literal["auto", "inductor", "graphs", "none"], Role.INFRASTRUCTURE] = "auto"
    """For benchmarks. Compile the net for training by torch.compile; differs by rounding.
    ``auto``: on a GPU, for runs of 2,000 steps or more; on a CPU a step gains nothing by it.
    Without a compiler (Triton, C++) it is computed eagerly; so are tests. ``graphs``: on one GPU,
    without micro-batches, the compiled passes are replayed as CUDA graphs, which spares a narrow
    net's step the start of each kernel; elsewhere as ``inductor``."""
    pack_weights: Annotated[bool, Role.INFRASTRUCTURE] = True
    """For benchmarks. Tests in bf16 on a CPU: weights are rounded and laid out for its kernels
    once, not for every batch; the same bits."""
    fused_optimizer: Annotated[bool, Role.INFRASTRUCTURE] = True
    """SGD's update in one pass over the weights; differs from the unfused one by rounding."""
    cudnn_benchmark: Annotated[bool, Role.INFRASTRUCTURE] = True
    """On a GPU, cuDNN tries its convolutions out and takes the fastest for each shape."""
    deterministic: Annotated[bool, Role.INFRASTRUCTURE] = False
    """On a GPU, the same bits again on the same machine, in training and in tests: kernels that sum
    in one order alone, none chosen by the time that it took; ``cudnn_benchmark`` and
    ``compile=auto`` are off. Slower; differs from other kernels by rounding."""
    log_every: Annotated[int, Field(ge=1), Role.INFRASTRUCTURE] = 50
    """Steps between records of the training loss."""
    gradient_norms: Annotated[bool, Role.INFRASTRUCTURE] = False
    """Record the L2 norm of each block's gradient, at the steps that ``log_every`` records."""
    progress: Annotated[bool, Role.INFRASTRUCTURE] = True
    """What a run does, and a line an epoch; a bar too, where the output is a terminal."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class TrackingConfig:
    """Weights & Biases."""

    mode: Annotated[Literal["offline", "online", "off"], Role.INFRASTRUCTURE] = "offline"
    project: Annotated[str, Field(min_length=1, max_length=128), Role.INFRASTRUCTURE] = "vgglab"
    """By default ``WANDB_PROJECT``, where it is set."""
    entity: Annotated[str | None, Role.INFRASTRUCTURE] = None
    """User or team; by default ``WANDB_ENTITY``; null: the account's default."""
    tags: Annotated[tuple[Tag, ...], Field(max_length=50), Role.INFRASTRUCTURE] = ()
    """Added to the run's own, and to those of ``WANDB_TAGS``."""
    notes: Annotated[str, Field(max_length=10_000), Role.INFRASTRUCTURE] = ""
    """Stand before the run's command; after those of ``WANDB_NOTES``."""
    alerts: Annotated[bool, Role.INFRASTRUCTURE] = False
    """Have W&B tell you of a run that diverges, is untrainable or fails; one that is kept offline
    tells once it is uploaded."""
    log_model: Annotated[bool, Role.INFRASTRUCTURE] = False
    """Keep the best checkpoint as an artifact with the aliases ``best`` and the run's id."""
    predictions: Annotated[int, Field(ge=0, le=10_000), Role.INFRASTRUCTURE] = 0
    """Test images in a table of predictions, the most wrong first; 0: no table."""
    code: Annotated[bool, Role.INFRASTRUCTURE] = True
    """Keep the source and the configs that the run was computed by."""
    start_seconds: Annotated[float, Field(gt=0, le=3600), Role.INFRASTRUCTURE] = 30.0
    """``online``: how long a server may take to begin a run; then it is kept offline."""
    finish_seconds: Annotated[float, Field(gt=0, le=86_400), Role.INFRASTRUCTURE] = 60.0
    """``online``: how long a run's end waits for its upload; ``task=sync`` does what is left."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class LauncherConfig:
    """How the points of a sweep are run: on this machine or by SLURM."""

    name: Annotated[Literal["local", "slurm"], Role.INFRASTRUCTURE] = "local"
    jobs: Annotated[Literal["auto"] | Annotated[int, Field(ge=0, le=1024)], Role.INFRASTRUCTURE] = 0
    """Points trained at a time; 0: one a core, or one a GPU, or 256 under SLURM. More than there
    are GPUs share them. ``auto``: on GPUs as many as their memory and the cores suffice for, at
    most 8 on each; else as 0."""
    warm_start: Annotated[bool, Role.INFRASTRUCTURE] = True
    """Points begin as forks of a process that has imported the libraries; ``false``: each imports
    them itself. Linux alone has the former."""
    partition: Annotated[str | None, Role.INFRASTRUCTURE] = None
    """SLURM's; null: the cluster's default. Its other options are ``hydra.launcher.*``."""
    minutes: Annotated[int, Field(ge=1, le=100_000), Role.INFRASTRUCTURE] = 240
    """SLURM's time limit of a job; a run that needs longer goes on in the next."""
    wait: Annotated[bool, Role.INFRASTRUCTURE] = True
    """``false``: submit to SLURM and leave; ``task=runs`` shows what became of the points."""
    max_attempts: Annotated[int, Field(ge=1, le=10_000), Role.INFRASTRUCTURE] = 20
    """Times that SLURM starts a point which is interrupted again and again; then it has failed."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class PathsConfig:
    """Folders, relative to where the command is run; ``~`` is the home."""

    runs: Annotated[str, Field(min_length=1), Role.INFRASTRUCTURE] = "runs"
    studies: Annotated[str, Field(min_length=1), Role.INFRASTRUCTURE] = "studies"
    data: Annotated[str, Field(min_length=1), Role.INFRASTRUCTURE] = "datasets"
    """Downloads, generated images, compiled code."""

    @property
    def runs_folder(self) -> Path:
        """``runs`` as a path."""
        return Path(self.runs).expanduser()

    @property
    def studies_folder(self) -> Path:
        """``studies`` as a path."""
        return Path(self.studies).expanduser()

    @property
    def data_folder(self) -> Path:
        """``data`` as a path."""
        return Path(self.data).expanduser()

    def run_folder(self, name: str) -> Path:
        """The folder of a run that is named by its id in ``runs`` or by the path of its folder."""
        return _named(name, self.runs_folder)

    def named_study_folder(self, name: str) -> Path:
        """As ``run_folder``, of a study in ``studies``."""
        return _named(name, self.studies_folder)


def _named(name: str, folder: Path) -> Path:
    return Path(name).expanduser() if "/" in name else folder / name


@dataclass(config=STRICT, kw_only=True, frozen=True)
class PrepareConfig:
    """``task=prepare``: what is made of a data set besides a look at it."""

    copy: Annotated[str, Role.INFRASTRUCTURE] = ""
    """Folder for a copy of smaller images, as JPEG; it is read in place of the original by
    ``data.root``. Empty: none."""
    shorter_side: Annotated[int, Field(ge=0, le=4096), Role.INFRASTRUCTURE] = 0
    """Of the copy's images, px; 0: S where it is fixed, else 512. No image is enlarged."""
    quality: Annotated[int, Field(ge=50, le=100), Role.INFRASTRUCTURE] = 95
    """Of the copy's JPEG files."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class ReportConfig:
    """``task=report format=latex|csv|json``: what is written for a paper."""

    column_mm: Annotated[float, Field(ge=50, le=400), Role.INFRASTRUCTURE] = 84.0
    """Width of a figure's PDF and SVG, mm: of one column in most journals."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class PruneConfig:
    """``task=prune``: what is removed."""

    do: Annotated[bool, Role.INFRASTRUCTURE] = False
    """Remove it; ``false``: only say what would go, and how much that is."""
    kinds: Annotated[tuple[PruneKind, ...], Role.INFRASTRUCTURE] = ("checkpoints", "wandb")
    """``checkpoints``: of finished runs, beside the one that is tested. ``wandb``: W&B's files of
    ended runs that its server has in full. ``runs``: whole ended runs that no study refers to.
    ``source``: of an ended study, the copies of source of all its launches but the last."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class SyncConfig:
    """``task=sync``: which runs are uploaded."""

    live: Annotated[bool, Role.INFRASTRUCTURE] = False
    """Also those that are at work, as they go, until none is; ``false``: those that have ended."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class JudgeConfig:
    """``task=judge`` of a candidate (``baseline``, ``candidate``), or of a ``table``."""

    margin: Annotated[float, Field(ge=0, le=100), Role.INFRASTRUCTURE] = 0.0
    """Percentage points of error, or the unit of ``table``, by more than which the candidate or an
    arm must be better; with ``equal`` by less than which two arms differ."""
    compare: Annotated[tuple[str, ...], Role.INFRASTRUCTURE] = ()
    """Arms of ``table``, in the order of the claim; empty: each against the first of the file."""
    direction: Annotated[Literal["lower", "no_better", "equal", "falls"], Role.INFRASTRUCTURE] = (
        "lower"
    )
    """What is asked of ``compare``, as of a claim: the first arm's error is ``lower`` than each
    other's, ``no_better`` than the second's, ``equal`` to it, or the error ``falls`` along them."""
    ledger: Annotated[str, Role.INFRASTRUCTURE] = ""
    """File that every ask is entered in, and over all of whose asks a false word has a chance of
    5%; empty: ``judge.jsonl`` in ``paths.studies``."""
    claim: Annotated[str, Role.INFRASTRUCTURE] = ""
    """A claim "lower" of two sides among those of ``claims=``, whose metric, protocols and margin
    hold in place of top-1 error, ``dense`` or else ``center``, and ``judge.margin``."""
    arm_key: Annotated[str, Field(min_length=1), Role.INFRASTRUCTURE] = "cfg/arm"
    """Of ``table=wandb:...``: key of a run's config that says its arm."""
    seed_key: Annotated[str, Role.INFRASTRUCTURE] = "cfg/seed"
    """Of ``table=wandb:...``: key of a run's config that says its seed; empty: runs are counted."""
    error_key: Annotated[str, Field(min_length=1), Role.INFRASTRUCTURE] = "test/center/top1_error"
    """Of ``table=wandb:...``: key of a run's summary that says its error, of which less is better.
    Where it ends in ``error``, ``images`` beside it is how many test images it is percent of."""
    group: Annotated[str, Role.INFRASTRUCTURE] = ""
    """Of ``table=wandb:...``: W&B's group of the runs, of vgglab's the study; empty: any."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class VerifyConfig:
    """``task=verify``: how much of a run is trained again and again."""

    epochs: Annotated[int, Field(ge=0, le=100_000), Role.INFRASTRUCTURE] = 2
    """The run is trained as one of so many epochs; 0: as long as it was."""
