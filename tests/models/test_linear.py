"""The gradient of a fully connected layer from factors, here of a process that is alone.

Between processes: ``tests/training/test_ddp_factors.py``.
"""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from vgglab.config.model import InitConfig, ModelConfig, NormConfig
from vgglab.models import linear
from vgglab.models.build import build
from vgglab.models.fully_convolutional import FullyConvolutional
from vgglab.models.kernels.select import uncompiled_head
from vgglab.models.linear import Exchange, Linear, exchanged_factors, factored_layers
from vgglab.models.vgg import VGG


@pytest.fixture
def gathers(group_of_one: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Shapes of what is gathered, in that order."""
    shapes = []
    gather = getattr(dist, linear.GATHER)

    def noted(whole: Tensor, own: Tensor, *, async_op: bool) -> dist.Work:
        shapes.append(tuple(own.shape))
        work: dist.Work = gather(whole, own, async_op=async_op)
        return work

    monkeypatch.setattr(dist, linear.GATHER, noted)
    return shapes


def net() -> VGG:
    return build(
        ModelConfig(name="a", width=0.0625, dropout=0.0),
        NormConfig(),
        InitConfig(name="he"),
        classes=10,
        image_size=32,
    )


def images(count: int = 4) -> Tensor:
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def gradients(net: nn.Module, exchange: Exchange | None, *, bf16: bool = False) -> list[Tensor]:
    layers = list(factored_layers(net).values()) if exchange else []
    with (
        exchanged_factors(layers, exchange or Exchange(rows=0)),
        torch.autocast("cpu", torch.bfloat16, enabled=bf16),
    ):
        logits_nk = net(images())
    logits_nk.float().logsumexp(1).sum().backward()
    assert all(p.grad is not None and p.grad.dtype == p.dtype for p in net.parameters())
    return [p.grad for p in net.parameters() if p.grad is not None]


@pytest.mark.parametrize("rows", [4, 7])
def test_the_gradient_is_that_of_a_plain_layer(rows: int, gathers: list[tuple[int, ...]]) -> None:
    first = net()
    second = copy.deepcopy(first)
    plain, ours = gradients(first, None), gradients(second, Exchange(rows=rows))
    torch.testing.assert_close(ours, plain)
    # Inputs from the first layer on, then gradients of outputs from the last.
    assert gathers == [(rows, n) for n in (32, 256, 256, 10, 256, 256)]


def test_in_bf16_and_through_the_convolutions_it_is_the_same_bits(group_of_one: None) -> None:
    first = net()
    second = copy.deepcopy(first)
    plain = gradients(first, None, bf16=True)
    ours = gradients(second, Exchange(rows=4), bf16=True)
    names = [name for name, _ in first.named_parameters()]
    for name, mine, theirs in zip(names, ours, plain, strict=True):
        if name.startswith("classifier") and name.endswith("bias"):
            torch.testing.assert_close(mine, theirs, rtol=2**-8, atol=1e-3)  # not rounded to bf16
        else:
            assert torch.equal(mine, theirs), name


def test_gradients_of_micro_batches_add_up(group_of_one: None) -> None:
    first = net()
    second = copy.deepcopy(first)
    for _ in range(2):
        plain, ours = gradients(first, None), gradients(second, Exchange(rows=4))
    torch.testing.assert_close(ours, plain)


def test_factors_are_rounded_where_they_are_compressed(group_of_one: None) -> None:
    exact, rounded = gradients(net(), None), gradients(net(), Exchange(rows=4, in_bf16=True))
    torch.testing.assert_close(rounded[:-6], exact[:-6])  # of the convolutions
    assert not torch.equal(rounded[-2], exact[-2])
    torch.testing.assert_close(rounded[-6:], exact[-6:], rtol=2**-6, atol=1e-2)


def test_nothing_is_gathered_outside_of_a_step_of_training(gathers: list[tuple[int, ...]]) -> None:
    trained = net()
    gradients(trained, Exchange(rows=4))
    gathers.clear()
    trained(images())
    trained.eval()(images())
    FullyConvolutional(trained)(images())
    assert gathers == []


def test_a_layer_that_is_not_trained_gathers_nothing(gathers: list[tuple[int, ...]]) -> None:
    frozen = net()
    first = frozen.classifier[0]
    assert isinstance(first, Linear)
    first.weight.requires_grad_(False)
    assert list(factored_layers(frozen)) == ["classifier.3", "classifier.6"]
    with exchanged_factors([first], Exchange(rows=4)):
        frozen(images()).sum().backward()
    assert gathers == []
    assert first.weight.grad is None
    assert first.bias.grad is not None


def test_more_images_than_the_largest_part_are_refused(group_of_one: None) -> None:
    with pytest.raises(ValueError, match="4 images: the largest part of the batch has 3"):
        gradients(net(), Exchange(rows=3))


@pytest.mark.slow
def test_it_is_imported_without_the_compiler() -> None:
    said = "import sys, vgglab.models.vgg; print('torch._dynamo' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"


# torch hides this warning of its own making, but not from a filter that makes errors of warnings.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
@pytest.mark.slow
def test_a_compiled_net_has_the_same_gradients(gathers: list[tuple[int, ...]]) -> None:
    plain, compiled = net(), net()
    graphs = []

    def kept(graph: torch.fx.GraphModule, examples: object) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compiled.compiled = torch.compile(compiled.eager, dynamic=False, backend=kept)
    compiled.uncompiled_head = uncompiled_head(compiled)
    torch.testing.assert_close(gradients(compiled, Exchange(rows=4)), gradients(plain, None))
    assert len(gathers) == 6
    before = len(graphs)
    gradients(compiled, Exchange(rows=5))  # the last step of an epoch: no new code
    assert len(graphs) == before
    operations = [str(node.target) for graph in graphs for node in graph.graph.nodes]
    assert any("conv" in name for name in operations)
    assert not any("linear" in name for name in operations)
