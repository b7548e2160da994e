"""The numbers of the page are those of claims.json and results.csv, read back from the files."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from html.parser import HTMLParser
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from vgglab.report.verdicts import verdict_section

Row = dict[str, str]
NO_NUMBER = "\N{EM DASH}"


class Tables(HTMLParser):
    """Of each section, its tables: rows of cells under the names of their columns."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.of: dict[str, list[list[Row]]] = defaultdict(list)
        self._section, self._cell = "", False
        self._columns: list[str] = []
        self._cells: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
        elif tag == "table":
            self._columns = []
            self.of[self._section].append([])
        elif tag == "tr":
            self._cells = []
        elif tag in ("th", "td"):
            self._cells.append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("th", "td"):
            self._cell = False
        elif tag == "thead":
            self._columns = self._cells
        elif tag == "tr" and self._columns:
            row = dict(zip(self._columns, self._cells, strict=True))
            self.of[self._section][-1].append(row)

    def handle_data(self, data: str) -> None:
        if self._cell:
            self._cells[-1] += data.replace("\N{MINUS SIGN}", "-").replace(
                "\N{NO-BREAK SPACE}", " "
            )


@pytest.fixture(scope="module")
def folder(whole_report: Path) -> Path:
    return whole_report.parent


@pytest.fixture(scope="module")
def page(folder: Path) -> dict[str, list[list[Row]]]:
    return Tables((folder / "report.html").read_text(encoding="utf-8")).of


@pytest.fixture(scope="module")
def claims(folder: Path) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads((folder / "claims.json").read_text())["claims"]
    return read


@pytest.fixture(scope="module")
def results(folder: Path) -> list[Row]:
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def label(model: str) -> str:
    return {"a_lrn": "A-LRN", "b_5x5": "B-5x5"}.get(model, model.upper())


def by_net(results: list[Row]) -> dict[str, list[Row]]:
    nets: dict[str, list[Row]] = defaultdict(list)
    for row in results:
        nets[label(row["model"])].append(row)
    return nets


def test_verdicts(page: dict[str, list[list[Row]]], claims: list[dict[str, Any]]) -> None:
    (table,) = page["claims"]
    assert len(table) == len(claims) >= 5
    for row, claim in zip(table, claims, strict=True):
        cells = list(row.values())
        assert cells[0].startswith(claim["statement"])
        assert cells[4].split()[1] == claim["verdict"]
        for error in claim["paper"]["errors"]:
            assert f"{error:.1f}" in cells[1]
        for side in claim["sides"]:
            ours = NO_NUMBER if side["error"] is None else f"{side['error']:.2f}"
            assert ours in cells[2]
        if claim["effect"]:
            assert f"{claim['effect']['mean']:.2f}" in cells[3]
        for end in (claim["effect"] or {}).get("interval") or []:
            assert f"{end:.2f}"[:-1] in cells[3]


def test_errors_of_every_net(page: dict[str, list[list[Row]]], results: list[Row]) -> None:
    table, paper = page["errors"]
    assert [row["net"] for row in paper] == [row["net"] for row in table if row["net"] != "B-5x5"]
    nets = by_net(results)
    assert {row["net"] for row in table} == set(nets)
    for row in table:
        points = nets[row["net"]]
        errors = [float(p["top1_error"]) for p in points if p["state"] == "finished"]
        shown = [f"{float(p['top1_error']):.2f}" if p["top1_error"] else NO_NUMBER for p in points]
        assert row["top-1 error of each seed, %"].split() == shown
        assert row["seeds trained"].startswith(f"{len(errors)} of {len(points)}")
        assert row["mean"] == f"{mean(errors):.2f}"
        assert row["sd"] == f"{stdev(errors):.2f}"


def test_cost(page: dict[str, list[list[Row]]], results: list[Row]) -> None:
    table = page["cost"][0]
    nets = by_net(results)
    assert {row["net"] for row in table} == set(nets)
    for row in table:
        finished = [p for p in nets[row["net"]] if p["state"] == "finished"]
        for column, name in (("parameters", "parameters"), ("MACs an image", "macs")):
            assert row[column].replace(",", "") == finished[0][name]
        steps = [float(p["step_ms"]) for p in finished]
        assert row["time a step, ms"].split(" (")[0] == f"{mean(steps):.1f}"


def test_every_run(page: dict[str, list[list[Row]]], results: list[Row]) -> None:
    (table,) = page["runs"]
    shown = [
        (row["run"], row["seed"], row["state"], row["top-1 error, %"], row["top-5 error, %"])
        for row in table
    ]
    assert shown == [
        (
            *(row["run"], row["seed"], row["state"]),
            *(
                f"{float(row[e]):.2f}" if row[e] else NO_NUMBER
                for e in ("top1_error", "top5_error")
            ),
        )
        for row in results
    ]


def test_an_altered_claim_alters_the_page(
    folder: Path, page: dict[str, list[list[Row]]], claims: list[dict[str, Any]]
) -> None:
    """The section is written from the record alone: no number of it comes from elsewhere."""
    record = json.loads((folder / "claims.json").read_text())
    for claim in record["claims"]:
        claim["effect"] = (claim["effect"] or {"paired_by_image": True}) | {
            "mean": 12.34,
            "interval": [11.11, 13.57],
        }
        claim["verdict"] = "contradicted"
    blocks = verdict_section(record).blocks
    text = repr(blocks[0])
    assert text.count("+12.34 (+11.11 to +13.57)") == len(claims)
    assert text.count("contradicted") >= len(claims)
