"""The house: an order of rooms, imports that point down, no circle, few inside functions."""

from __future__ import annotations

import ast
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import ROOT

SOURCE = ROOT / "src"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
MOST_INNER_IMPORTS = 14
HEAVY = {"torch", "torchvision", "pytorch_lightning", "lightning_fabric", "torchmetrics", "wandb"}
"""Libraries that a room which must not know them does not import at all."""


@dataclass(frozen=True)
class Import:
    """An import statement of one of our modules."""

    importer: str
    imported: str
    is_inner: bool
    """It stands inside a function."""
    is_for_types: bool
    """It stands under ``TYPE_CHECKING``."""


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((SOURCE / "vgglab").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports_of(name: str, path: Path) -> Iterator[tuple[Import, int]]:
    """Every import of a module, with the number of its statement."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inner = {id(node) for function in functions for node in ast.walk(function)}
    typing = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and ast.unparse(test.test) == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    for number, node in enumerate(ast.walk(tree)):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [n if n in MODULES else node.module for n in whole]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for imported in dict.fromkeys(names):
            yield Import(name, imported, id(node) in inner, id(node) in typing), number


@functools.cache  # read when the first test asks, not by every process that collects tests
def imports() -> list[Import]:
    """Every import of our modules."""
    return [found for name, path in MODULES.items() for found, _ in imports_of(name, path)]


def ours() -> list[Import]:
    """Those of one of our modules by another."""
    return [i for i in imports() if i.imported in MODULES and i.imported != i.importer]


def room_of(module: str) -> str:
    """The top-level room of a module: a folder, or a single file on the ground."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "vgglab"


def order_of_rooms() -> list[str]:
    """The rooms from the ground up, as CONTRIBUTING lists them."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    block = text.partition("<!-- rooms: from the ground up -->")[2].partition("<!-- end -->")[0]
    lines = [line for line in block.splitlines() if line.startswith("| `")]
    return [name.strip(" `") for line in lines for name in line.split("|")[1].split(",")]


def test_contributing_names_every_room_once() -> None:
    rooms = {room_of(name) for name in MODULES} - {"vgglab"}
    assert sorted(order_of_rooms()) == sorted(rooms)


def test_every_import_points_down() -> None:
    order = {room: floor for floor, room in enumerate(order_of_rooms())}
    wrong = {
        f"{i.importer} imports {i.imported}"
        for i in ours()
        if "vgglab" not in (i.importer, i.imported)  # the front door
        if room_of(i.importer) != room_of(i.imported)
        if order[room_of(i.importer)] < order[room_of(i.imported)]
    }
    assert not wrong


def test_no_circle_of_imports() -> None:
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for found in ours():
        # A package's own __init__ is loaded before its modules in any case.
        if not found.importer.startswith(f"{found.imported}."):
            graph[found.importer].add(found.imported)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module not in done:
            for imported in sorted(graph[module]):
                visit(imported, (*path, module))
            done.add(module)

    for module in sorted(graph):
        visit(module, ())


def test_few_imports_stand_inside_functions() -> None:
    inner = sorted(
        {
            (name, number)
            for name, path in MODULES.items()
            for found, number in imports_of(name, path)
            if found.is_inner and found.imported in MODULES
        }
    )
    assert len(inner) <= MOST_INNER_IMPORTS, [name for name, _ in inner]


def test_no_command_imports_another() -> None:
    between = [
        f"{i.importer} imports {i.imported}"
        for i in ours()
        if room_of(i.importer) == room_of(i.imported) == "commands"
    ]
    assert not between


@pytest.mark.parametrize(
    ("room", "unknown"),
    [
        *itertools.product(
            ("config", "runs", "study", "report", "notebook", "launch"), sorted(HEAVY)
        ),
        *itertools.product(("models", "data", "evaluation", "training"), ["wandb"]),
        *itertools.product(("tracking",), sorted(HEAVY - {"wandb"})),
    ],
)
def test_a_room_does_not_know_what_it_must_not_know(room: str, unknown: str) -> None:
    knowing = sorted(
        i.importer
        for i in imports()
        if room_of(i.importer) == room
        if i.imported.partition(".")[0] == unknown and not i.is_for_types
    )
    assert not knowing


@pytest.mark.parametrize(
    ("room", "unknown"),
    [
        ("models", {"data", "training", "evaluation"}),
        ("data", {"models", "training", "evaluation"}),
        ("evaluation", {"training"}),
        ("training", {"study", "report"}),
        ("tracking", {"models", "data", "training", "evaluation"}),
        ("study", {"models", "data", "training", "evaluation"}),
        ("report", {"models", "data", "training", "evaluation"}),
        ("notebook", {"models", "data", "training", "evaluation"}),
        ("launch", {"models", "data", "training", "evaluation"}),
    ],
)
def test_a_room_does_not_know_these_rooms(room: str, unknown: set[str]) -> None:
    knowing = sorted(
        f"{i.importer} imports {i.imported}"
        for i in ours()
        if room_of(i.importer) == room and room_of(i.imported) in unknown
    )
    assert not knowing


def test_files_are_of_a_size_that_one_reads() -> None:
    lines = sorted(len(p.read_text(encoding="utf-8").splitlines()) for p in MODULES.values())
    assert lines[-1] <= 450
    assert lines[int(0.9 * len(lines))] <= 300


def test_no_name_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "misc", "common"}
    assert not [name for name in MODULES if name.rpartition(".")[2] in empty]
