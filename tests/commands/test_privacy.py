"""What is left behind tells no secret, and nobody can call in while a run goes on."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from image_folder import write_image_folder
from running import another_home, command_environment, command_line

KEY = "5ec2e7" + "0123456789abcdef" * 2 + "0a"
FILES = (
    "data=folder",
    "data.classes=4",
    "data.image_size=32",
    "data.flip=false",
    "protocol.top_k=[1]",
    "recipe.scale_min=36",
    "recipe.scale_max=36",
    "recipe.epochs=1",
    "model.width=0.0625",
    "norm=batch",
    "trainer.precision=fp32",
    "trainer.threads=1",
)


def listening(process: psutil.Process) -> set[str]:
    """Addresses that a process and its children listen to."""
    found: set[str] = set()
    try:
        for each in (process, *process.children(recursive=True)):
            for connection in each.net_connections(kind="inet"):
                if connection.status == psutil.CONN_LISTEN:
                    found.add(connection.laddr.ip)
    except psutil.NoSuchProcess:
        pass
    return found


def watched(home: Path, *overrides: str) -> tuple[str, set[str]]:
    """What a command said, and every address that was listened to meanwhile."""
    process = subprocess.Popen(
        command_line(*overrides),
        cwd=home / "work",
        env=command_environment() | another_home(home) | {"WANDB_API_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    found: set[str] = set()
    while process.poll() is None:
        found |= listening(psutil.Process(process.pid))
        time.sleep(0.1)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said, found


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home" / "jane.doe"
    write_image_folder(home / "photos", 60, classes=4)
    (home / "work").mkdir()
    return home


@pytest.mark.slow
def test_a_run_tells_no_secret_and_listens_to_nobody(home: Path) -> None:
    here = home / "work"
    places = (f"data.root={home}/photos", f"paths.runs={here}/runs", f"paths.data={home}/data")
    _, addresses = watched(home, *FILES, *places)
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)
    files = [path for path in here.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".yaml", ".jsonl", ".log", ".wandb", ".json"}
    for path in files:
        content = path.read_bytes()
        assert KEY.encode() not in content, path
        if not path.name.startswith("debug"):  # of W&B, and never uploaded
            assert str(home).encode() not in content, path
    (config,) = here.glob("runs/*/config.yaml")
    assert "root: ~/photos" in config.read_text()
    # And what says ``~`` is found again.
    run = config.parent.name
    again = subprocess.run(
        command_line("task=evaluate", f"run={run}", "protocol=dense", "format=json", *places[1:]),
        cwd=here,
        env=command_environment() | another_home(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)[0]["images"] == 12


@pytest.mark.slow
def test_processes_of_one_run_meet_where_nobody_else_comes(home: Path) -> None:
    _, addresses = watched(
        home, *FILES, f"data.root={home}/photos", "trainer=ddp", "devices=2",
        "trainer.accelerator=cpu", "tracking=off",
    )  # fmt: skip
    assert addresses
    assert all(ipaddress.ip_address(address).is_loopback for address in addresses)
