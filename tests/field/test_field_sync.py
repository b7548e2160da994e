"""``task=sync`` says of each run that it was uploaded, what was sent, and how long the rest takes.

That it does so against a server is in tests/tracking/test_server.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vgglab.commands.sync import Progress
from vgglab.tracking.cards import columns


def test_a_line_a_run_with_its_size_and_an_estimate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attempts = {}
    for name in ("a-s0", "a-s1", "b-s0"):
        attempts[name] = [tmp_path / name / "offline-run-1"]
        attempts[name][0].mkdir(parents=True)
        (attempts[name][0] / "run-1.wandb").write_bytes(bytes(2_000_000))
    progress = Progress(attempts)
    progress.look()
    assert capsys.readouterr().out == ""
    assert progress.to_send == 6_000_000
    (attempts["a-s1"][0] / "run-1.wandb.synced").touch()
    progress.look()
    progress.look()  # says it once
    said = capsys.readouterr().out
    expected = r"uploaded a-s1 \(1 of 3, 2.0 MB; the rest, 4.0 MB, in about \d+ s\)\n"
    assert re.fullmatch(expected, said)
    for name in ("a-s0", "b-s0"):
        (attempts[name][0] / "run-1.wandb.synced").touch()
    progress.look()
    assert capsys.readouterr().out.endswith("uploaded b-s0 (3 of 3, 2.0 MB)\n")
    assert progress.uploaded == attempts.keys()


def test_config_has_flat_keys_that_no_override_is_named_like() -> None:
    tree = {"model": {"name": "a", "blocks": [[64]]}, "seed": 0, "recipe": {"lr": 0.1, "no": None}}
    assert columns(tree) == {"cfg/model/name": "a", "cfg/seed": 0, "cfg/recipe/lr": 0.1}
