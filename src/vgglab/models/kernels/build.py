"""Kernels in C++ for channels_last maps on CPUs, built once on each kind of machine."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import logging
import os
import platform
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import Tensor

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
LIBRARY = "vgglab_kernels"
IMPORTED = {path: path.read_bytes() for path in HERE.iterdir() if path.suffix in (".cpp", ".h")}
"""Source as it was with the rest of this program's source, which a run's record names."""
TYPES = (torch.float32, torch.float64, torch.bfloat16)

LONGEST_BUILD = 300.0
"""Seconds to wait for another process's build."""

# Instructions by what torch itself found the processor to have, not by what the compiler finds
# (-march=native): a folder that several machines share then holds a build for each kind.
_INSTRUCTIONS = {
    "AVX512": ["-march=x86-64-v4", "-mprefer-vector-width=512"],
    "AVX2": ["-march=x86-64-v3"],
}
# Nothing that reorders sums: a run's bits may not depend on where its tensors happen to lie.
_FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fopenmp"]


@functools.cache
def has_kernels() -> bool:
    """Load the operations of all sources into ``torch.ops.vgglab``, built if they were not yet.

    In one library, whose parts are compiled side by side: most of the time goes to torch's headers.

    Returns:
        Whether they are there. If not, a line in the log has said so.
    """
    capability = torch.backends.cpu.get_cpu_capability()
    flags = [*_FLAGS, *_INSTRUCTIONS.get(capability, [])]
    try:
        _load(flags)
    except (ImportError, OSError, RuntimeError) as error:  # no ninja, no compiler, no room
        reason = str(error).strip().partition("\n")[0]
        log.warning("torch stands in for the kernels in C++, which cannot be built: %s", reason)
        return False
    return True


def share_compiled_code(folder: Path) -> None:
    """Have torch.compile keep its code in a folder that all runs share, unless the user names one.

    So the points of a study compile each net once, also on several machines and after a restart.
    """
    named = os.environ.get("TORCHINDUCTOR_CACHE_DIR", "")
    # The compiler names a temporary one when it is imported, which torch 2.11 does by itself.
    if not named or named.startswith(f"{tempfile.gettempdir()}/torchinductor_"):
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder.absolute() / "compiled")


def supports(images_nchw: Tensor) -> bool:
    """Whether the C++ kernels can compute on these images: their device, dtype and layout."""
    return (
        images_nchw.device.type == "cpu"
        and images_nchw.dtype in TYPES
        and images_nchw.is_contiguous(memory_format=torch.channels_last)
    )


def _load(flags: list[str]) -> None:
    extension = _extension()
    if any(path.read_bytes() != text for path, text in IMPORTED.items()):
        raise RuntimeError("its source was changed after this program began")
    root = os.environ.get("TORCH_EXTENSIONS_DIR") or extension.get_default_build_root()
    folder = Path(root) / f"{LIBRARY}_{digest(IMPORTED, flags)}"
    folder.mkdir(parents=True, exist_ok=True)
    built = folder / f"{LIBRARY}.so"
    with contextlib.ExitStack() as lock:
        if not built.exists():
            log.info("building the kernels in C++, once, in %s", folder)
            # Of two processes one builds and the other waits; not for ever: where there is no
            # flock, a process that was killed leaves its lock behind.
            with contextlib.suppress(Timeout):
                lock.enter_context(FileLock(folder / ".build.lock", timeout=LONGEST_BUILD))
        if built.exists():
            torch.ops.load_library(str(built))
        else:
            _build(extension, flags, built)


def _build(extension: Any, flags: list[str], built: Path) -> None:
    """Build and load the library.

    In a folder of this process's own, whose lock, which is torch's, nobody else has or left.

    Args:
        extension: torch's builder.
        flags: of the compiler.
        built: where it is kept.
    """
    with tempfile.TemporaryDirectory(dir=built.parent) as private:
        begun = Path(private) / built.name
        is_loaded = True
        try:
            extension.load(
                LIBRARY,
                [str(path) for path in sorted(IMPORTED) if path.suffix == ".cpp"],
                extra_cflags=flags,
                extra_ldflags=["-fopenmp"],
                build_directory=private,
                is_python_module=False,
            )
        except TypeError:  # torch 2.14 where there is no flock: the lock fails at its release
            if not begun.exists():
                raise
            is_loaded = False
        begun.replace(built)
    if not is_loaded:
        torch.ops.load_library(str(built))


def _extension() -> Any:
    """Import torch's builder without its warning about a CUDA toolkit where there is no GPU."""
    logger = logging.getLogger("torch.utils.cpp_extension")
    before, logger.level = logger.level, logging.ERROR
    try:
        return importlib.import_module("torch.utils.cpp_extension")
    finally:
        logger.level = before


def digest(sources: Mapping[Path, bytes], flags: list[str]) -> str:
    """Hash all that a build depends on: its source, wherever it stands, and the torch at hand."""
    texts = [f"{path.name}\n{text.decode()}" for path, text in sorted(sources.items())]
    about = [*texts, torch.__file__, torch.__version__, platform.machine(), *flags]
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]
