"""Where and how fast a run happens. Only ``trainer.precision`` changes what it computes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from vgglab.config.fields import STRICT, Role


@dataclass(config=STRICT, kw_only=True, frozen=True)
class TrainerConfig:
    """The device and how it is used; ``auto`` takes what the machine has."""

    accelerator: Annotated[Literal["auto", "cpu", "gpu"], Role.INFRASTRUCTURE] = "auto"
    precision: Annotated[Literal["auto", "fp32", "bf16"], Role.FIXED] = "auto"
    """``bf16``: autocast, weights stay fp32. ``auto``: bf16 where the processor computes in it."""
    memory_format: Annotated[
        Literal["auto", "channels_last", "contiguous"], Role.INFRASTRUCTURE
    ] = "auto"
    threads: Annotated[int, Field(ge=0, le=1024), Role.INFRASTRUCTURE] = 0
    """CPU threads of a run; 0: all cores."""
    keep_memory: Annotated[bool, Role.INFRASTRUCTURE] = True
    """On Linux CPUs, keep freed memory for the next step instead of giving it back and faulting
    its pages in again."""
    log_every: Annotated[int, Field(ge=1), Role.INFRASTRUCTURE] = 50
    """Steps between records of the training loss."""
    gradient_norms: Annotated[bool, Role.INFRASTRUCTURE] = False
    """Record the L2 norm of each block's gradient, at the steps that ``log_every`` records."""
    progress: Annotated[bool, Role.INFRASTRUCTURE] = True
    """A progress bar, where the output is a terminal."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class TrackingConfig:
    """Weights & Biases."""

    mode: Annotated[Literal["offline", "online", "off"], Role.INFRASTRUCTURE] = "offline"
    project: Annotated[str, Field(min_length=1, max_length=128), Role.INFRASTRUCTURE] = "vgglab"
    entity: Annotated[str | None, Role.INFRASTRUCTURE] = None
    """User or team; null: the account's default."""
    log_model: Annotated[bool, Role.INFRASTRUCTURE] = False
    """Keep the best checkpoint as an artifact with the aliases ``best`` and the run's id."""
    predictions: Annotated[int, Field(ge=0, le=10_000), Role.INFRASTRUCTURE] = 0
    """Test images in a table of predictions, the most wrong first; 0: no table."""
    code: Annotated[bool, Role.INFRASTRUCTURE] = True
    """Keep the source and the configs that the run was computed by."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class LauncherConfig:
    """How the points of a sweep are run on this machine."""

    name: Annotated[Literal["local"], Role.INFRASTRUCTURE] = "local"
    jobs: Annotated[int, Field(ge=0, le=1024), Role.INFRASTRUCTURE] = 0
    """Points trained at a time; 0: one a core on CPU, one a GPU on GPUs."""


@dataclass(config=STRICT, kw_only=True, frozen=True)
class PathsConfig:
    """Folders, relative to where the command is run."""

    runs: Annotated[str, Field(min_length=1), Role.INFRASTRUCTURE] = "runs"
    studies: Annotated[str, Field(min_length=1), Role.INFRASTRUCTURE] = "studies"
    data: Annotated[str, Field(min_length=1), Role.INFRASTRUCTURE] = "datasets"
    """Downloads and generated images."""
