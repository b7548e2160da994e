"""Writes docs/field.md: what people's folders, machines and habits do, and the test that shows it.

``python benchmarks/field_tests.py`` after a test of ``tests/field`` was added or renamed;
``tests/test_docs.py`` says when it has to be.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "field.md"
HEAD = """# Field reports

Public bug reports from people who do this job, and faults of our own making, were tried on vgglab.
Each row is one that is mended, or a promise that was wanted, and the test that would fail without
it: `python -m pytest tests/field`. Letters and numbers are the rows of the report that asked.

Written by `python benchmarks/field_tests.py` from the tests themselves; do not edit it.
"""


def page(folder: Path = ROOT / "tests" / "field") -> str:
    """The page: a table for each file, a row a test; a test with cases counts as one."""
    parts, count = [], 0
    for path in sorted(folder.glob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name[:5] == "test_"]
        count += len(names)
        about = (ast.get_docstring(tree) or "").partition("\n\n")[0].replace("\n", " ")
        rows = [f"| {said(node)} | `{node.name}` |" for node in names]
        table = ["| what holds | test |", "| --- | --- |", *rows]
        parts.append("\n".join([f"## {path.name}", "", about, "", *table]))
    return "\n\n".join([f"{HEAD}\n{count} tests in {len(parts)} files.", *parts]) + "\n"


def said(node: ast.FunctionDef) -> str:
    """A test's name as words, and what its docstring adds."""
    words = re.sub(r"^test_", "", node.name).replace("_", " ")
    more = (ast.get_docstring(node) or "").partition("\n\n")[0].replace("\n", " ")
    return (f"{words}: {more}" if more else words).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"written: {PAGE}")
