"""The W&B-protocol server of the tests: PyPI's openwandb, in a virtual environment of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browser import opened
from PIL import Image
from running import ROOT, SMALL, command_environment, command_line, grid
from warm_command import warm_command

from vgglab.runs import read_metrics

TOOLS = Path(os.environ.get("VGGLAB_WANDB_SERVER", ROOT / ".wandb-server"))
"""``make wandb-server`` makes it; CI too."""
MISSING = f"no W&B-protocol server in {TOOLS}: make wandb-server"
KEY = "local0000000000000000000000000000000000000000"
"""The server's own key for a first login."""
ENTITY = "default"


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """What a user would export."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": KEY}

    def get(self, path: str) -> Any:
        """What its REST says."""
        with urllib.request.urlopen(f"{self.url}/api/v2/{path}", timeout=10) as answer:
            return json.load(answer)

    def runs(self, project: str) -> dict[str, dict[str, Any]]:
        """Its runs of a project, by id."""
        found = self.get(f"projects/{ENTITY}/{project}/runs?limit=1000")["runs"]
        return {run["run_id"]: run for run in found}

    def rows(self, run: str) -> dict[str, list[tuple[int, float]]]:
        """``(step, value)`` of each metric of a run, in the order of the steps."""
        grouped = self.get(f"runs/{run}/metrics")["metrics_by_key"]
        return {
            key: sorted((row["step"], row["value"]) for row in rows)
            for key, rows in grouped.items()
        }

    def files(self, run: str) -> list[str]:
        """Names of what was uploaded beside the rows."""
        address = f"{self.url}/api/v1/runs/{run}/files"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return [file["name"] for file in json.load(answer)["files"]]

    def artifacts(self, run: str) -> list[dict[str, Any]]:
        """Artifacts that a run logged."""
        found: list[dict[str, Any]] = self.get(f"runs/{run}/artifacts")["artifacts"]
        return found

    def publish(self, project: str) -> None:
        """Let a browser see the project without a login."""
        login = self._send("auth/login", {"username": "admin", "password": "admin123"})
        request = urllib.request.Request(
            f"{self.url}/api/v2/projects", headers={"Authorization": f"Bearer {login['token']}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            projects = json.load(answer)["projects"]
        (number,) = (p["id"] for p in projects if p["name"] == project)
        change = {"visibility": "public"}
        self._send(f"projects/{number}/visibility", change, login["token"], "PUT")

    def _send(self, path: str, body: Any, token: str = "", method: str = "POST") -> Any:
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


STUDY = (
    *SMALL, "sweeps=quickstart", *grid(model="b,a_lrn,a", seed="0,1"), "launcher.jobs=2",
    "recipe.epochs=3", "data=digits", "study.looks=[]",
    "tracking=online", "tracking.project=online",
)  # fmt: skip
"""A study of six runs of seconds each."""


@dataclass(frozen=True)
class Lab:
    """A folder in which commands are run against a server."""

    folder: Path
    server: Server
    datasets: Path

    def start(self, *overrides: str, **environment: str) -> subprocess.Popen[str]:
        """Start ``python run.py ...``."""
        return subprocess.Popen(
            command_line(*overrides, f"paths.data={self.datasets}"),
            cwd=self.folder,
            env=command_environment() | self.server.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *overrides: str, **environment: str) -> str:
        """What a command that succeeds says."""
        variables = command_environment() | self.server.environment | environment
        overrides = (*overrides, f"paths.data={self.datasets}")
        ended = warm_command(self.folder, overrides, variables, timeout=900)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    def runs(self) -> list[Path]:
        """The folders of its runs."""
        return sorted((self.folder / "runs").iterdir())


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """A server on a free port of the loopback, ended with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--host", "127.0.0.1", "--port", str(port), "--data-dir", str(folder / "data")]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [str(TOOLS / "bin" / "openwandb"), "serve", *where],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        server = Server(f"http://127.0.0.1:{port}")
        _wait(server, process, folder / "server.log")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=20)


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            server.get("projects")
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        else:
            return


def look(url: str, picture: Path, size: str = "1400,1200", milliseconds: int = 4000) -> str:
    """Open a page in headless Chromium: its picture goes to a file, its DOM comes back."""
    window = (f"--window-size={size}", f"--screenshot={picture}")
    dom = opened(url, *window, milliseconds=milliseconds)
    with Image.open(picture) as shown:
        shown.convert("RGB").quantize(128).save(picture, optimize=True)  # small enough for docs/
    return dom


def rows_on_disk(run: Path) -> dict[str, list[tuple[int, float]]]:
    """``metrics.jsonl`` as W&B keeps rows: by metric, records of one step being one row."""
    rows: dict[str, dict[int, float]] = {}
    for record in read_metrics(run / "metrics.jsonl"):
        for key, value in record.items():
            if key not in ("step", "time"):
                rows.setdefault(key, {})[record["step"]] = float(value)
    return {key: sorted(values.items()) for key, values in rows.items()}


def assert_same(run: Path, server: Server, project: str) -> None:
    """Every row and the summary on the server are those on disk."""
    assert server.rows(run.name) == rows_on_disk(run)
    assert_same_summary(run, server, project)


def assert_same_summary(run: Path, server: Server, project: str) -> None:
    """The summary is that of ``result.json``."""
    known = server.runs(project)[run.name]
    assert known["state"] == "finished"
    result = json.loads((run / "result.json").read_text())
    summary = known["summary"]
    assert summary["outcome"] == "finished"
    for name, value in result["errors"]["center"].items():
        assert summary[f"test/center/{name}"] == value
    for room, part in (("validation", "validation"), ("cost", "cost"), ("whole_run", "speed")):
        for name, value in result[part].items():
            assert summary[f"{room}/{name}"] == value
