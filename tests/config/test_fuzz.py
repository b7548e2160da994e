"""Any value in any field: a checked config, or one line that names the field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from vgglab.config import Config, plain
from vgglab.config.data import DATA_SETS
from vgglab.config.parse import ConfigError, parse
from vgglab.config.store import data_defaults, defaults_of

QUICK = settings(
    max_examples=600,
    deadline=None,
    derandomize=True,
    database=None,
    report_multiple_bugs=False,
)
LONG = settings(QUICK, max_examples=4_000)


def fields_below(tree: dict[str, Any], path: str = "") -> Iterator[str]:
    """Dotted path of each field and each group."""
    for name, value in tree.items():
        here = f"{path}.{name}" if path else name
        yield here
        if isinstance(value, dict):
            yield from fields_below(value, here)


def tree_of(data: str) -> dict[str, Any]:
    """A legal config of a run on that data."""
    tree = defaults_of(Config) | {"data": data_defaults(data)}
    if "root" in tree["data"]:
        tree["recipe"] |= {"scale_min": 256, "scale_max": 256}
    return tree


FIELDS = [(data, path) for data in DATA_SETS for path in fields_below(tree_of(data))]

EDGES = st.sampled_from(
    [0, 1, -1, 2**31, 2**63, 10**400, 0.0, -0.0, 1e-320, 1e308, float("nan"), float("inf")]
)
WORDS = st.sampled_from(
    ["", " ", ".", "..", "../..", "/", "~", "a b", "ä/ö", "\0", "\n", "\udcff", "null", "true",
     "1e3", "${seed}", "auto", "none", "x" * 5_000, "<script>", "'", '"', "\\", "%s", "{}"]
)  # fmt: skip
PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), EDGES, WORDS, st.text(max_size=20)
)
VALUES = st.one_of(
    PLAIN,
    st.lists(PLAIN, max_size=4),
    st.dictionaries(st.one_of(WORDS, st.text(max_size=8)), PLAIN, max_size=3),
)


def put(tree: dict[str, Any], path: str, value: Any) -> None:
    *parents, name = path.split(".")
    for parent in parents:
        tree = tree[parent]
    tree[name] = value


def check_one(data: str, path: str, value: Any) -> None:
    """The property: of one field with one value."""
    tree = tree_of(data)
    put(tree, path, value)
    try:
        config = parse(tree)
    except ConfigError as error:
        message = " ".join(str(error).split())  # as it is printed
        assert len(message) < 2_000
        assert path.rpartition(".")[2] in message
        assert message.encode("utf-8")
        return
    written = yaml.safe_load(yaml.safe_dump(plain(config), sort_keys=False))
    assert parse(written) == config  # config.yaml is read again
    json.dumps(plain(config), allow_nan=False)


@pytest.mark.slow
@QUICK
@given(st.sampled_from(FIELDS), VALUES)
def test_any_value_in_any_field(field: tuple[str, str], value: Any) -> None:
    check_one(*field, value)


@pytest.mark.slow
@LONG
@given(st.sampled_from(FIELDS), VALUES)
def test_many_values_in_any_field(field: tuple[str, str], value: Any) -> None:
    check_one(*field, value)
