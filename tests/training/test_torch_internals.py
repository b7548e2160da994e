"""Private attributes of torch: a release that has moved them is named."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from vgglab.training.torch_internals import leave_out_of_ddp


def test_ddp_sums_the_others_alone(group_of_one: None) -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6))
    leave_out_of_ddp(net, ["1.weight", "1.bias"])
    parallel = DistributedDataParallel(net)
    parallel(torch.ones(1, 4)).sum().backward()
    told = parallel._get_ddp_logging_data()
    assert told["total_parameter_size_bytes"] == 4 * (4 * 5 + 5), f"torch {torch.__version__}"


def test_a_release_without_the_method_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(DistributedDataParallel, "_set_params_and_buffers_to_ignore_for_model")
    with pytest.raises(RuntimeError, match=r"torch .* has no .*: use trainer.head_gradients=sum"):
        leave_out_of_ddp(nn.Linear(1, 1), ["weight"])
