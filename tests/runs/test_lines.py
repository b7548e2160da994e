from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

from vgglab.runs.lines import append_lines, read_lines


def one_more(known: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"number": len(known)}]


def append_ten(path: Path) -> None:
    for _ in range(10):
        append_lines(path, one_more)


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert read_lines(tmp_path / "none.jsonl") == []


def test_a_line_that_a_kill_cut_short_is_lost_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "study" / "looks.jsonl"
    append_lines(path, one_more)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"number": 1, "se')
    assert read_lines(path) == [{"number": 0}]
    append_lines(path, one_more)
    assert read_lines(path) == [{"number": 0}, {"number": 1}]


def test_nothing_to_add_writes_nothing(tmp_path: Path) -> None:
    append_lines(tmp_path / "looks.jsonl", lambda known: [])
    assert not (tmp_path / "looks.jsonl").exists()


def test_two_processes_at_once_lose_no_line_and_see_each_others(tmp_path: Path) -> None:
    path = tmp_path / "looks.jsonl"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=append_ten, args=(path,)) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [line["number"] for line in read_lines(path)] == list(range(20))
