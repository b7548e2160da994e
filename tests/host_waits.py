"""Where a GPU's host would wait for it, found without a GPU: by operations on fake CUDA tensors."""

from __future__ import annotations

import traceback
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CUDA = torch.device("cuda", 0)
READS = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.equal.default,
}
COPIES = {torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default}


class HostWaits(TorchDispatchMode):
    """Lists each operation that has the host wait: reads, and copies from or to ordinary memory."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []
        self.copies = 0
        """Copies between host and device."""
        self._pinned: set[int] = set()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = operation(*args, **kwargs)
        sources = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if kwargs.get("pin_memory"):
            self._pinned.add(result.untyped_storage()._cdata)
        on_gpu = any(source.is_cuda for source in sources)
        if operation in READS and on_gpu:
            self._note(operation)
        if operation is torch.ops.aten.index.Tensor and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        ):
            self._note(operation)
        if operation in COPIES:
            origin = args[1] if operation is torch.ops.aten.copy_.default else args[0]
            target = result
            if origin.is_cuda != target.is_cuda:
                self.copies += 1
                host = target if origin.is_cuda else origin
                is_pinned = host.untyped_storage()._cdata in self._pinned
                without_waiting = kwargs.get("non_blocking") or args[2:] == (True,)
                if not (is_pinned and without_waiting):
                    self._note(operation)
        return result

    def _note(self, operation: Any) -> None:
        ours = [f for f in traceback.extract_stack() if "/vgglab/" in f.filename]
        place = f" at {ours[-1].filename}:{ours[-1].lineno}" if ours else ""
        self.found.append(f"{operation}{place}")


def fake_cuda() -> FakeTensorMode:
    """A mode in which tensors on CUDA have shapes and no values."""
    return FakeTensorMode(allow_non_fake_inputs=True)
