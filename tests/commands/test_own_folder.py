"""A user's own nets are found in the folder of ``--config-dir``, by points and ranks too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import completed

from vgglab import checkout
from vgglab.commands.main import with_user_folder
from vgglab.config.nets import nets_on_disk

MINE = "name: own_net\nblocks:\n  - [32, 32]\n  - [64, {channels: 64, kernel: 1}]\nhidden: [256]\n"


def test_a_net_of_ones_own_is_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "conf" / "model"
    folder.mkdir(parents=True)
    (folder / "own_net.yaml").write_text(MINE, encoding="utf-8")
    ended = completed(
        tmp_path, "--config-dir", "conf", "task=describe", "model=own_net", "format=json"
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert (told["model"], told["weight_layers"]) == ("own_net", 6)
    assert [row["name"] for row in told["layers"] if row["type"] == "fc"] == ["fc3", "fc4"]


@pytest.mark.parametrize("norm", ["none", "batch", "group", "layer"])
def test_every_norm_can_be_chosen(norm: str, tmp_path: Path) -> None:
    ended = completed(tmp_path, "task=describe", f"norm={norm}", "format=json")
    assert ended.returncode == 0, ended.stderr
    types = {row["type"] for row in json.loads(ended.stdout)["layers"]}
    assert (f"{norm}_norm" in types) == (norm != "none")


def test_the_folder_is_handed_on_to_what_a_command_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(checkout.USER_FOLDER, "")
    monkeypatch.chdir(tmp_path)
    assert with_user_folder(["task=runs"]) == ["task=runs"]
    given = ["--config-dir", "conf", "model=own_net"]
    assert with_user_folder(given) == given
    assert with_user_folder(["a=1"]) == ["--config-dir", str(tmp_path / "conf"), "a=1"]
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "own_net.yaml").write_text(MINE, encoding="utf-8")
    assert {"own_net", "plain", "d"} <= set(nets_on_disk())
