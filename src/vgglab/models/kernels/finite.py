"""Whether all values of many tensors on a CPU are finite, by ``finite.cpp`` or by their sums."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def are_finite(tensors: Sequence[Tensor], *, in_cpp: bool) -> bool:
    """Whether every value is finite.

    Without the kernel it looks at sums, in a tenth of the time that a maximum takes. A sum that is
    not finite may have overflowed: then it looks at each value.
    """
    if in_cpp:
        return bool(torch.ops.vgglab.are_finite(tensors))
    if torch.stack([tensor.sum() for tensor in tensors]).isfinite().all():
        return True
    return all(bool(tensor.isfinite().all()) for tensor in tensors)
