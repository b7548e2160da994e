"""What a net is: blocks of convolutions, each ended by a pooling. Knows no torch.

A net's table stands in ``conf/model/<name>.yaml``, or follows from its number of weight layers by
``plain_blocks``. Everything that another room says about a net is worked out from its ``Layers``. A
new kind of layer is a new member of ``Layer``; mypy then names the two places that have to handle
it: ``models/vgg.py`` (the module) and ``models/layer_costs.py`` (the arithmetic).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, assert_never

import yaml
from pydantic import Discriminator, Field, Tag, TypeAdapter
from pydantic.dataclasses import dataclass as checked

from vgglab import checkout
from vgglab.config.fields import STRICT
from vgglab.config.names import listed

Pooling = Literal["max", "average", "stride"]
"""What halves a map at the end of a block. ``stride``: its last convolution, without a pooling."""


@checked(config=STRICT, frozen=True)
class Conv:
    """A convolution, then its activation; by default it keeps the map's size."""

    channels: Annotated[int, Field(ge=1, le=65_536)]
    """Output channels at width 1."""
    kernel: Annotated[int, Field(ge=1, le=31)] = 3
    """Side of the square kernel, in pixels; odd."""
    lrn: bool = False
    """Local response normalisation after the activation."""
    stride: Annotated[int, Field(ge=1, le=16)] = 1
    pad: Annotated[int, Field(ge=0, le=31)] | None = None
    """Pixels of zeros on each side; null: as many as keep the map's size at stride 1."""

    def __post_init__(self) -> None:
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel = {self.kernel}: must be odd")

    @property
    def padding(self) -> int:
        """Pixels of zeros on each side."""
        return self.kernel // 2 if self.pad is None else self.pad

    @property
    def keeps_size(self) -> bool:
        """Whether a map comes out as large as it went in."""
        return self.stride == 1 and 2 * self.padding == self.kernel - 1

    def size(self, size: int) -> int:
        """Side of the map made of one of side ``size``, in pixels; below 1 where there is none."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1


@checked(config=STRICT, frozen=True)
class Pool:
    """The pooling that ends a block."""

    pool: Annotated[int, Field(ge=1, le=31)] = 2
    """Side of the window, in pixels; 1 with stride 1: the block ends without a pooling."""
    stride: Annotated[int, Field(ge=1, le=16)] = 2
    ceil: bool = False
    """Whether a window that the map fills only in part counts too (Caffe); else it is dropped."""

    @property
    def kernel(self) -> int:
        """Side of the window, in pixels."""
        return self.pool

    def size(self, size: int) -> int:
        """Side of the map made of one of side ``size``, in pixels; below 1 where there is none."""
        beyond = size - self.kernel
        steps = -(-beyond // self.stride) if self.ceil else beyond // self.stride
        # A window that would begin beyond the map is none.
        return steps if steps and steps * self.stride >= size else steps + 1


Layer: TypeAlias = Conv | Pool


def _kind(value: Any) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Conv | Pool):
        return {int: "<channels>", Conv: "<conv>", Pool: "<pool>"}[type(value)]
    if isinstance(value, Mapping):
        return "<pool>" if "pool" in value else "<conv>"
    return None


Item: TypeAlias = Annotated[
    Annotated[Annotated[int, Field(ge=1, le=65_536)], Tag("<channels>")]
    | Annotated[Conv, Tag("<conv>")]
    | Annotated[Pool, Tag("<pool>")],
    Discriminator(
        _kind,
        custom_error_type="net_item",
        custom_error_message="Input should be channels, {channels: 256, kernel: 1, ...}, or at the "
        "end of a block {pool: 3, ...}",
    ),
]
"""One layer of a table: channels of a 3x3 convolution, a ``Conv`` or a ``Pool``."""

Blocks: TypeAlias = tuple[tuple[Item, ...], ...]
"""A net's table, as ``conf/model/`` writes it: a row is a block. One that ends without a ``Pool``
has the usual one, of 2x2 and stride 2."""


@dataclass(frozen=True)
class Net:
    """The layers of a net up to its fully connected ones, by blocks."""

    blocks: tuple[tuple[Layer, ...], ...]
    hidden: tuple[int, ...]
    """Units of the fully connected layers before the last, at width 1."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order."""
        return tuple(itertools.chain.from_iterable(self.blocks))

    @property
    def convolutions(self) -> tuple[Conv, ...]:
        """The convolutions, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, Conv))

    @property
    def convolutions_by_block(self) -> tuple[int, ...]:
        """How many convolutions each block has."""
        return tuple(map(_count, self.blocks))

    @property
    def weight_layers(self) -> int:
        """Convolutions and fully connected layers together: the paper's depth."""
        return len(self.convolutions) + len(self.hidden) + 1

    @property
    def numbers_blocks(self) -> bool:
        """Whether a layer's number is one within its block (conv2_1), or through the net (conv3).

        AlexNet's kin, whose blocks but the last are single convolutions, are numbered through.
        """
        return len(self.blocks) == 5 or max(self.convolutions_by_block[:-1], default=0) > 1

    @property
    def first_fc(self) -> int:
        """Number of the first fully connected layer: 6 after five blocks or five convolutions."""
        return 1 + (len(self.blocks) if self.numbers_blocks else len(self.convolutions))

    def places(self) -> Iterator[tuple[str, Layer]]:
        """Each layer with its number: ``2_1`` is the first convolution of the second block.

        Where layers are numbered through the net, a pooling has the number of the convolution
        before it.
        """
        conv = 0
        for block, layers in enumerate(self.blocks, start=1):
            for index, layer in enumerate(layers, start=1):
                match layer:
                    case Pool():
                        yield str(block if self.numbers_blocks else conv), layer
                    case Conv():
                        conv += 1
                        yield f"{block}_{index}" if self.numbers_blocks else str(conv), layer
                    case other:
                        assert_never(other)

    @property
    def differs(self) -> str:
        """What sets a net apart from the plain family of A, B, D and E, whose convolutions are all
        3x3 and whose maps are halved by 2x2 windows, as a clause; empty: nothing."""
        plain_conv, usual = Conv(1), Pool()
        convolutions = self.convolutions
        kernels = sorted({conv.kernel for conv in convolutions} - {plain_conv.kernel})
        found = [f"{kernel}x{kernel} convolutions" for kernel in kernels]
        found += ["LRN"] * any(conv.lrn for conv in convolutions)
        found += ["strides"] * any(conv.stride > 1 for conv in convolutions)
        found += ["other poolings"] * any(
            isinstance(layer, Pool) and layer != usual for layer in self.layers
        )
        *most, last = found or [""]
        return f"which has {', '.join(most)}{' and ' if most else ''}{last}" if last else ""


def _count(block: Sequence[Layer]) -> int:
    return sum(isinstance(layer, Conv) for layer in block)


def net_of(blocks: Blocks, hidden: tuple[int, ...], pooling: Pooling) -> Net:
    """The layers that a table stands for, in which no map is halved but as ``pooling`` says.

    Args:
        blocks: The table.
        hidden: Units of the fully connected layers before the last, at width 1.
        pooling: What halves a map; a ``Pool`` of the table says by how much.

    Returns:
        Its layers; a pooling that changes nothing is left out.
    """
    return Net(tuple(_block(block, pooling) for block in blocks), hidden)


def _block(block: Sequence[int | Conv | Pool], pooling: Pooling) -> tuple[Layer, ...]:
    layers: list[Layer] = [Conv(item) if isinstance(item, int) else item for item in block]
    end = layers.pop() if isinstance(layers[-1], Pool) else Pool()
    assert isinstance(end, Pool)
    match pooling:
        case "max" | "average":
            return (*layers, end) if (end.kernel, end.stride) != (1, 1) else tuple(layers)
        case "stride":
            last = layers[-1]
            assert isinstance(last, Conv)
            return *layers[:-1], replace(last, stride=last.stride * end.stride)
        case other:
            assert_never(other)


_TABLE = TypeAdapter(Blocks)


def parse_blocks(table: Sequence[Sequence[Any]]) -> Blocks:
    """The typed form of a table of plain values."""
    return _TABLE.validate_json(json.dumps(table))  # as JSON, lists may become tuples


def check_blocks(blocks: Blocks) -> None:
    """Refuse a table that is none of a net.

    Raises:
        ValueError: names the block and what is wrong with it.
    """
    if not blocks:
        raise ValueError("blocks = []: must have at least one block, or set layers")
    for number, block in enumerate(blocks):
        if not block or isinstance(block[0], Pool):
            raise ValueError(f"blocks.{number}: must begin with a convolution")
        for index, item in enumerate(block[:-1]):
            if isinstance(item, Pool):
                raise ValueError(
                    f"blocks.{number}.{index}: a pooling ends a block, so it must be last"
                )


def canonical(blocks: Blocks) -> Blocks:
    """The one way to write a table: a convolution that is only its channels as a number, and no
    pooling that is the usual one."""
    rows = []
    for block in blocks:
        row = [
            item.channels if isinstance(item, Conv) and item == Conv(item.channels) else item
            for item in block
        ]
        rows.append(tuple(row[:-1] if row[-1:] == [Pool()] else row))
    return tuple(rows)


def as_plain(blocks: Blocks) -> list[list[Any]]:
    """A table as JSON and YAML take it."""
    return [[item if isinstance(item, int) else asdict(item) for item in row] for row in blocks]


def as_text(blocks: Blocks) -> str:
    """A table in one line: ``64 | 128 | 256 256:1x1``."""
    return " | ".join(" ".join(map(_item_text, block)) for block in blocks)


def _item_text(item: int | Conv | Pool) -> str:
    match item:
        case int():
            return str(item)
        case Conv():
            marks = [f"{item.kernel}x{item.kernel}"]
            marks += [f"stride{item.stride}"] if item.stride > 1 else []
            marks += [f"pad{item.pad}"] if item.pad is not None else []
            marks += ["lrn"] if item.lrn else []
            return f"{item.channels}:{':'.join(marks)}"
        case Pool():
            return f"pool{item.pool}:stride{item.stride}{':ceil' if item.ceil else ''}"
        case other:
            assert_never(other)


PLAIN_CHANNELS = (64, 128, 256, 512, 512)
"""Channels of the five blocks of the paper's nets at width 1 (Table 1)."""
FEWEST_PLAIN = len(PLAIN_CHANNELS) + 1
"""Convolutions of the shallowest plain net."""
_MOST_IN_BLOCK = (2, 2, None, None, None)
"""Convolutions that a block of the paper's nets has at most."""


def plain_blocks(convolutions: int) -> Blocks:
    """The table of a net of the paper's family with so many 3x3 convolutions.

    One goes into each of the five blocks. Each further one goes into the block that has the fewest,
    the last of those; the first two blocks take no third. At 8, 10, 13 and 16 this is A, B, D, E.
    """
    counts = [1] * len(PLAIN_CHANNELS)
    for _ in range(convolutions - len(counts)):
        open_blocks = [
            (count, -index)
            for index, (count, most) in enumerate(zip(counts, _MOST_IN_BLOCK, strict=True))
            if most is None or count < most
        ]
        counts[-min(open_blocks)[1]] += 1
    return tuple((channels,) * n for channels, n in zip(PLAIN_CHANNELS, counts, strict=True))


DIGESTS: Mapping[str, str] = {
    "a": "76c667b6526707b7",
    "a_lrn": "df6eece33af88b2d",
    "b": "dcd39d36fa577895",
    "b_5x5": "fb3c66d55d1eb2c7",
    "c": "4afeb4e045e98ac2",
    "d": "310b98db38310e29",
    "e": "1587a68bea3855d0",
    "vgg_f": "315f0b3f4532dbff",
    "vgg_m": "1fe837a17f4dd38c",
    "vgg_s": "507410657a71d55f",
}
"""Name -> digest of its table, of the nets that runs before 2026-11-27 had by their name alone. A
run of such a table keeps the id that it had then; another table of that name is another net."""


def digest(blocks: Blocks) -> str:
    """Of a table in its canonical form; equal for equal tables."""
    text = json.dumps(as_plain(canonical(blocks)), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def is_as_before(name: str, blocks: Blocks) -> bool:
    """Whether a table is the one that this name alone stood for."""
    return DIGESTS.get(name) == digest(blocks)


def nets_on_disk() -> list[str]:
    """Names of every net that ``model=`` finds: of ``conf/model/`` and of the user's folder."""
    folders = [checkout.root() / "conf"]
    folders += [Path(user)] if (user := os.environ.get(checkout.USER_FOLDER)) else []
    return sorted({path.stem for folder in folders for path in (folder / "model").glob("*.yaml")})


@cache
def shipped() -> tuple[str, ...]:
    """Names of the nets of ``conf/model/`` that have a table, in alphabetical order."""
    folder = checkout.root() / "conf" / "model"
    return tuple(sorted(path.stem for path in folder.glob("*.yaml") if _read(path.stem)["blocks"]))


@cache
def _read(name: str) -> dict[str, Any]:
    path = checkout.root() / "conf" / "model" / f"{name}.yaml"
    return {"blocks": []} | (yaml.safe_load(path.read_text("utf-8")) or {})


def shipped_blocks(name: str) -> Blocks:
    """The table of ``conf/model/<name>.yaml``.

    Raises:
        ValueError: there is none, or it is no longer the net that runs have by this name alone.
    """
    if name not in shipped():
        raise ValueError(f"name = {name}: must be {listed(shipped())}, or set blocks")
    blocks = parse_blocks(_read(name)["blocks"])
    if name in DIGESTS and not is_as_before(name, blocks):
        raise ValueError(
            f"name = {name}: conf/model/{name}.yaml is no longer the net that runs of before "
            "2026-11-27 have by this name alone; set blocks"
        )
    return blocks
