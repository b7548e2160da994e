"""Local response normalisation by ``lrn.cpp``, built once on each kind of machine."""

from __future__ import annotations

import functools
import hashlib
import importlib
import logging
import os
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgglab.models.lrn_kernels import IN_TORCH, Kernel, Numbers, Saved

log = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("lrn.cpp")
NAME = "vgglab_lrn"
TYPES = (torch.float32, torch.float64, torch.bfloat16)

# Instructions by what torch itself found the processor to have, not by what the compiler finds
# (-march=native): a folder that several machines share then holds a build for each kind.
_INSTRUCTIONS = {
    "AVX512": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    "AVX2": ["-march=x86-64-v3"],
}
# Nothing that reorders sums: a run's bits may not depend on where its tensors happen to lie.
_FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fopenmp"]


@functools.cache
def kernel_in_cpp() -> Kernel | None:
    """The kernel, built where it was not yet; None, with a line in the log, where it cannot be."""
    capability = torch.backends.cpu.get_cpu_capability()
    flags = [*_FLAGS, *_INSTRUCTIONS.get(capability, [])]
    try:
        _load(flags)
    except (ImportError, OSError, RuntimeError) as error:  # no ninja, no compiler, no room
        reason = str(error).strip().partition("\n")[0]
        log.warning("LRN is computed without its C++ kernel, which cannot be built: %s", reason)
        return None
    return Kernel("cpp", _forward, _backward)


def _load(flags: list[str]) -> None:
    extension = _extension()
    root = os.environ.get("TORCH_EXTENSIONS_DIR") or extension.get_default_build_root()
    folder = Path(root) / f"{NAME}_{_digest(flags)}"
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / f"{NAME}.so").exists():
        log.info("building the C++ kernel of LRN, once, in %s", folder)
    extension.load(  # locks the folder: of two processes one builds, the other waits
        NAME,
        [str(SOURCE)],
        extra_cflags=flags,
        extra_ldflags=["-fopenmp"],
        build_directory=str(folder),
        is_python_module=False,
    )


def _extension() -> Any:
    """torch's builder, without what it says of a CUDA toolkit when there is no GPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    before, logger.level = logger.level, logging.ERROR
    try:
        return importlib.import_module("torch.utils.cpp_extension")
    finally:
        logger.level = before


def _digest(flags: list[str]) -> str:
    """Of all that a build depends on."""
    about = [SOURCE.read_text(encoding="utf-8"), torch.__version__, platform.machine(), *flags]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]


def _takes(images_nchw: Tensor) -> bool:
    return (
        images_nchw.device.type == "cpu"
        and images_nchw.dtype in TYPES
        and images_nchw.is_contiguous(memory_format=torch.channels_last)
    )


def _forward(images_nchw: Tensor, numbers: Numbers) -> tuple[Tensor, Saved]:
    if not _takes(images_nchw):
        return IN_TORCH.forward(images_nchw, numbers)
    # Only its input, which the ReLU before it keeps anyway: the backward pass computes the
    # denominator again, a few additions on values that it reads for its sums in any case.
    return torch.ops.vgglab.lrn_forward(images_nchw, *numbers), (images_nchw,)


def _backward(saved: Saved, gradient_nchw: Tensor, numbers: Numbers) -> Tensor:
    images_nchw = saved[0]
    if not _takes(images_nchw):
        return IN_TORCH.backward(saved, gradient_nchw, numbers)
    gradient_nchw = gradient_nchw.to(images_nchw.dtype).contiguous(
        memory_format=torch.channels_last
    )
    result_nchw: Tensor = torch.ops.vgglab.lrn_backward(images_nchw, gradient_nchw, *numbers)
    return result_nchw
