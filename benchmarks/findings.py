"""Puts what finished studies found into docs/findings.md, as ``task=report`` says it.

    python benchmarks/findings.py studies/quickstart studies/fashion

Between ``<!-- study NAME -->`` and ``<!-- end -->`` stand the end of a study's screen, its tuning
if it was tuned, and its figure, which is copied beside the other pictures; between
``<!-- NAME lrn -->`` and ``<!-- end -->`` what it says on that topic.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from vgglab.report.found import TOPICS, topics

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "findings.md"
FIGURES = "error_vs_depth*.svg"
MOST_OPEN = 12
"""Most claims of which none has a word that are shown one by one."""


def screen(study: Path) -> str:
    """What ``task=report`` prints of a study, as it was launched, without the path of its page.

    Raises:
        CalledProcessError: it fails.
    """
    told = subprocess.run(
        [
            *(sys.executable, str(ROOT / "run.py"), "task=report", f"study.name={study.name}"),
            *("tracking=off", "paths.runs=runs"),
        ],
        cwd=study.resolve().parent.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    return told.stdout.partition("\nreport: ")[0].strip()


def tuning(study: Path) -> str:
    """The section of a study's page on its tuning; empty where it was not tuned."""
    page = (study / "report.md").read_text(encoding="utf-8")
    found = re.search(r"^## Tuned alike\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE)
    return found[1].strip() if found else ""


def block(study: Path) -> str:
    """What stands on the page of findings of a study."""
    told = screen(study)
    record = json.loads((study / "claims.json").read_text(encoding="utf-8"))
    parts = []
    for figure in sorted((study / "figures").glob(FIGURES)):
        picture = PAGE.parent / "pictures" / figure.name.replace("error_vs_depth", study.name)
        shutil.copyfile(figure, picture)
        parts.append(f"![{record['study']}: error against depth](pictures/{picture.name})")
    words = [claim["verdict"] for claim in record["claims"]]
    if len(words) > MOST_OPEN and set(words) == {"inconclusive"}:
        table, _, _ = told.partition("\nclaim ")
        told = f"{table.strip()}\n\nAll {len(words)} claims: inconclusive."
    parts += [f"```\n{told}\n```", tuning(study)]
    return "\n\n".join(part for part in parts if part)


def told_of(study: Path) -> dict[str, str]:
    """Topic -> what a study found on it."""
    claims = json.loads((study / "claims.json").read_text(encoding="utf-8"))["claims"]
    titles = {title: key for key, title in TOPICS.items()}
    return {titles[title]: text for title, text in topics(claims)}


def filled(page: str, marker: str, text: str) -> str:
    """The page with a text between a marker and the next end; as it is without the marker."""
    head, found, rest = page.partition(f"<!-- {marker} -->\n")
    if not found:
        return page
    return f"{head}{found}{text}\n<!-- end -->{rest.partition('<!-- end -->')[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("studies", nargs="+", type=Path, help="folders of studies, in studies/")
    page = PAGE.read_text(encoding="utf-8")
    for study in parser.parse_args().studies:
        page = filled(page, f"study {study.name}", block(study))
        for topic, text in told_of(study).items():
            page = filled(page, f"{study.name} {topic}", text)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
