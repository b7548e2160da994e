"""Weights that have come apart between processes are found out."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch

from vgglab.models.linear import Linear
from vgglab.training.distributed import ProcessGroup
from vgglab.training.factors import EqualHeads, checksum
from vgglab.world import ALONE

WEIGHT = torch.randn(50, 30, generator=torch.Generator().manual_seed(1))


class Other(ProcessGroup):
    """The larger of each value and the same of another process."""

    def __init__(self, layer: Linear) -> None:
        super().__init__(ALONE)
        self._theirs = checksum(list(layer.parameters()))

    def largest(self, value: int) -> int:
        return max(value, -self._theirs if value < 0 else self._theirs)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_checksum_sees_one_bit_and_rows_that_change_places(dtype: torch.dtype) -> None:
    values = WEIGHT.to(dtype)
    one_bit, swapped = values.clone(), values.flip(0)
    one_bit[7, 3] = torch.nextafter(one_bit[7, 3], one_bit.new_tensor(9.0))
    found = {checksum([tensor]) for tensor in (values, one_bit, swapped, values[:, :-2])}
    assert len(found) == 4
    assert checksum([values.clone()]) == checksum([values])
    assert all(0 < number < 2**62 for number in found)


def test_weights_that_differ_in_one_bit_end_the_run() -> None:
    mine, theirs = Linear(30, 50), Linear(30, 50)
    theirs.load_state_dict(mine.state_dict())
    nothing = cast("Any", None)
    EqualHeads([mine], Other(theirs)).on_save_checkpoint(nothing, nothing, {})
    with torch.no_grad():
        theirs.bias[4] = torch.nextafter(theirs.bias[4], torch.tensor(9.0))
    with pytest.raises(RuntimeError, match="no longer equal"):
        EqualHeads([mine], Other(theirs)).on_save_checkpoint(nothing, nothing, {})
