"""Files of weights as people have them: state dicts, inside what they were saved with, safetensors.

No code in a file is run.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FIRST = "features.0.weight"
"""The first tensor of a VGG, in torchvision's names and in ours."""
OTHER_FORMATS = {
    b"version https://git-lfs": "a pointer of Git LFS and not the file: git lfs pull",
    b"\x89HDF": "a file of HDF5, as Keras writes it",
    b"MATLAB": "a file of MATLAB",
    b"<": "a page of the web or XML, as a failed download leaves it",
}
"""How files of others begin -> what they are."""
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Types of numbers, as safetensors calls them."""
MOST_NAMED = 3
"""Names of tensors in a message."""
DEEPEST = 3
"""Dictionaries within each other in which a state dict is looked for."""

_log = logging.getLogger(__name__)


class WeightsError(Exception):
    """The weights cannot be read or belong to none of our nets; the message is one line."""


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the state dict of a VGG; what stands before all its names, such as ``module.``, and
    what it is inside of, such as Lightning's checkpoint, is taken off. Numbers become float32.

    Of a file without a VGG, its largest state dict, so that it can be said what it is.

    Raises:
        WeightsError: it cannot be read, or holds no state dict or more than one VGG.
    """
    is_safetensors = path.suffix == ".safetensors" or _begins_as_safetensors(path)
    tree = _read_safetensors(path) if is_safetensors else _read_torch(path)
    found = dict(_state_dicts(tree))
    if not found:
        raise WeightsError(f"weights={path}: must be a state dict, names to tensors")
    nets = [
        (place, prefix)
        for place, state in found.items()
        for key in state
        if (prefix := key.removesuffix(FIRST)) != key and (not prefix or prefix.endswith("."))
    ]
    if len(nets) > 1:
        named = ", ".join(f"{place}{prefix}*" for place, prefix in nets)
        raise WeightsError(f"weights={path}: holds several nets, {named}; save one by itself")
    if not nets:
        largest = max(found, key=lambda place: len(found[place]))
        return dict(found[largest])
    ((place, prefix),) = nets
    state = found[place]
    if beside := [key for key in state if not key.startswith(prefix)]:
        _log.warning("weights=%s: left out, beside the net: %s", path, names_of(beside))
    return {
        key.removeprefix(prefix): value.float() if value.is_floating_point() else value
        for key, value in state.items()
        if key.startswith(prefix)
    }


def names_of(keys: list[str]) -> str:
    """Some names of tensors in a message."""
    more = f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
    return ", ".join(keys[:MOST_NAMED]) + more


def what_it_is(state: Mapping[str, Tensor]) -> str:
    """What a state dict is of that belongs to no net of ours."""
    keys = list(state)
    linears = [k for k, v in state.items() if k.startswith("classifier") and v.dim() == 2]
    is_vgg = any(key.startswith("features.") for key in keys)
    if any(key.startswith(("pre_logits.", "head.fc.")) for key in keys):
        return (
            "of timm's VGG, which has pre_logits.* and head.fc.* in place of classifier.*; "
            "torchvision's of the same net can be tested"
        )
    if is_vgg and not linears:
        return "the features.* of a VGG alone, without fully connected layers: they give no error"
    if is_vgg and len(linears) == 1:
        return (
            f"of a VGG with one fully connected layer ({linears[0]}), as made for CIFAR; "
            "nets of ours have three"
        )
    return f"not of a VGG: need features.* and three of classifier.*; it has {names_of(keys)}"


def _state_dicts(
    tree: Any, place: str = "", depth: int = 0
) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    """The dictionaries of tensors alone, each with the names that lead to it."""
    if not isinstance(tree, Mapping) or not tree or depth > DEEPEST:
        return
    if all(isinstance(k, str) and isinstance(v, Tensor) for k, v in tree.items()):
        yield place, tree
        return
    for key, value in tree.items():
        yield from _state_dicts(value, f"{place}{key}: ", depth + 1)


def _read_torch(path: Path) -> Any:
    try:
        # torchvision's own training script keeps its arguments in its checkpoints.
        with warnings.catch_warnings(), torch.serialization.safe_globals([argparse.Namespace]):
            warnings.simplefilter("ignore")  # about other versions of pickle
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken file can make an unpickler raise anything
        raise WeightsError(f"weights={path}: {_why_not(path, error)}") from error


def _why_not(path: Path, error: Exception) -> str:
    # torch's own message has several lines, which end in advice to load the file unsafely.
    with path.open("rb") as file:
        head = file.read(4_096)
    for begin, what in OTHER_FORMATS.items():
        if head.startswith(begin):
            return f"{what}; must be a file of torch.save or safetensors"
    if head.startswith(b"PK") and b".npy" in head:
        return "a file of NumPy; must be a file of torch.save or safetensors"
    if held := re.search(r"(?:GLOBAL|global:?) ([\w.]+\.\w+)", str(error)):
        return (
            f"not a file of tensors alone, it holds {held[1]}, and nothing else is loaded; save "
            "net.state_dict()"
        )
    return (
        "not a file of tensors alone, or damaged, and nothing else is loaded "
        f"({type(error).__name__})"
    )


def _begins_as_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """8 bytes with the header's length, the header as JSON, then the numbers of all tensors."""
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[:8], "little")
    state: dict[str, Tensor] = {}
    try:
        header: dict[str, Any] = json.loads(content[8 : 8 + size])
        header.pop("__metadata__", None)
        for key, about in header.items():
            begin, end = about["data_offsets"]
            dtype, shape = DTYPES[about["dtype"]], about["shape"]
            values = content[8 + size + begin : 8 + size + end]
            if len(values) != math.prod(shape) * dtype.itemsize:
                raise ValueError(key)
            state[key] = torch.frombuffer(values, dtype=dtype).reshape(shape)
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise WeightsError(
            f"weights={path}: not a file of safetensors, or damaged ({type(error).__name__}: "
            f"{error})"
        ) from error
    return state
