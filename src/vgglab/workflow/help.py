"""``--help``: tasks, config groups, experiments, sweeps and examples, read from what is there."""

from __future__ import annotations

import ast
import importlib.util
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vgglab.config.experiment import TaskName

COLUMNS = 80


def help_text(
    folders: Sequence[Path], commands: Mapping[TaskName, str], examples: Mapping[str, str]
) -> str:
    """What ``--help`` prints.

    Args:
        folders: that hold config groups, the user's own among them; the last one is ``conf/``.
        commands: task -> ``module:function``.
        examples: arguments -> what they do.

    Returns:
        Lines of at most ``COLUMNS`` characters.
    """
    usual = _usual(folders[-1] / "config.yaml")
    groups = sorted({path.name for path in folders[-1].iterdir() if path.is_dir()} - {"task"})
    parts = [
        "Shows what depth does to a ConvNet.",
        "usage: python run.py [-m] [task=...] [group=choice] [field=value] ...",
        _rows("tasks, task=...", {task: _does(name) for task, name in commands.items()}),
        _rows(
            "config groups, group=choice; * holds unless another is named",
            {
                group: ", ".join(_marked(_files(folders, group), usual.get(group)))
                for group in groups
            },
        ),
        _rows("recipes for one run, experiments=...", _questions(folders, "experiments")),
        _rows("studies, -m sweeps=...", _questions(folders, "sweeps")),
        _rows("examples", {}, [line for each in examples.items() for line in _example(*each)]),
        _rows(
            "more",
            {
                "--cfg job": "prints the config that a command composes: every field by its name",
                "--hydra-help": "flags of Hydra, which reads the command line",
                "docs/": "how to use it, what it writes and promises, how to add to it",
            },
        ),
    ]
    return "\n\n".join(parts)


def _rows(title: str, rows: Mapping[str, str], lines: Sequence[str] = ()) -> str:
    """A title, and rows of a name and a text that is wrapped beside it."""
    indent = 4 + max(map(len, rows), default=0)
    found = [f"{title}:", *lines]
    for name, text in rows.items():
        found += textwrap.wrap(
            text or name,
            COLUMNS,
            initial_indent=f"  {name:<{indent - 2}}" if text else "  ",
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
        )
    return "\n".join(found)


def _example(arguments: str, does: str) -> Iterator[str]:
    yield f"  python run.py {arguments}".rstrip()
    yield f"      {does}"


def _does(function: str) -> str:
    """The first line of a command's module, which is not imported for it."""
    found = importlib.util.find_spec(function.partition(":")[0])
    assert found is not None
    assert found.origin is not None
    text = ast.get_docstring(ast.parse(Path(found.origin).read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].partition(": ")[2].rstrip(".")


def _usual(path: Path) -> dict[str, str]:
    """The choice of each group that ``config.yaml`` names; of one in ``${}`` its last word."""
    found = re.findall(r"^  - (\w+): (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {group: re.findall(r"\w+", choice)[-1] for group, choice in found}


def _files(folders: Sequence[Path], group: str) -> dict[str, Path]:
    """The choices of a group by name; those of the first folder come before others of a name."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted((folder / group).glob("*.yaml")):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def _marked(names: Mapping[str, Path], usual: str | None) -> list[str]:
    return [f"{name}*" if name == usual else name for name in names]


def _questions(folders: Sequence[Path], group: str) -> dict[str, str]:
    """What each file of a group asks, by its own header."""
    found: dict[str, str] = {}
    for name, path in _files(folders, group).items():
        text = path.read_text(encoding="utf-8", errors="replace")
        asks = re.search(r"^# Asks:(.*(?:\n#  +.*)*)", text, re.MULTILINE)
        found[name] = " ".join(asks[1].replace("#", " ").split()) if asks else ""
    return found
