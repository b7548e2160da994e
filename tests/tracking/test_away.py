"""W&B away in every way that a loopback can play: training is told of it, and goes on."""

from __future__ import annotations

import contextlib
import http.server
import logging
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb
from offline_file import CARD, history, offline_file

from vgglab.config import TrackingConfig
from vgglab.tracking import server
from vgglab.tracking.local_files import is_incomplete
from vgglab.tracking.offline_file import rows
from vgglab.tracking.wandb_run import WandbSink

ONLINE = TrackingConfig(mode="online", start_seconds=1, finish_seconds=2)
ROWS = [{"step": s, "epoch": s / 2, "time": 0.0, "train/loss": 1 / s} for s in (1, 2, 3)]


class Slow(http.server.BaseHTTPRequestHandler):
    """Has a first page, and answers nothing else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        time.sleep(60)

    def log_message(self, format: str, *args: object) -> None:
        """Not on the screen."""


@contextlib.contextmanager
def closed() -> Iterator[int]:
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextlib.contextmanager
def slow() -> Iterator[int]:
    """A server that is there, and never begins a run."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as serving:
        serving.daemon_threads = True
        serving.block_on_close = False
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield serving.server_address[1]
        serving.shutdown()


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """W&B's client as a process finds it that has not used it; no key but what a test gives."""
    wandb.teardown()
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setattr(server, "SECONDS", 0.5)
    yield monkeypatch
    wandb.teardown()


def track(folder: Path, caplog: pytest.LogCaptureFixture) -> float:
    """Track a run online, as training would; the seconds that W&B took of it."""
    folder.mkdir()
    sink = WandbSink(ONLINE, CARD, folder)
    begun = time.monotonic()
    with caplog.at_level(logging.WARNING):
        sink.start([])
        for row in ROWS:
            sink.record(row)
        sink.finish({"best": 1.0}, exit_code=0)
    return time.monotonic() - begun


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "key", "said"),
    [
        (closed, "x" * 40, "does not answer"),
        (silent, "x" * 40, "does not answer"),
        (slow, "x" * 40, "deadline exceeded"),
        (closed, "", "no API key"),
    ],
    ids=["closed", "silent", "slow", "no key"],
)
def test_what_cannot_go_online_is_kept_whole_offline(
    kind: type,
    key: str,
    said: str,
    tmp_path: Path,
    fresh: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with kind() as port:
        fresh.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
        if key:
            fresh.setenv("WANDB_API_KEY", key)
        seconds = track(tmp_path / "run", caplog)
    assert seconds < 20  # W&B's own client would wait minutes
    (warning,) = [r.getMessage() for r in caplog.records if r.name.startswith("vgglab")]
    assert said in warning
    assert warning.endswith("kept offline; task=sync uploads it")
    assert [row["train/loss"] for row in history(offline_file(tmp_path))] == [1, 1 / 2, 1 / 3]
    assert not is_incomplete(tmp_path / "run")


def test_a_service_that_dies_costs_rows_and_no_training(
    tmp_path: Path, fresh: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sink = WandbSink(TrackingConfig(), CARD, tmp_path)
    sink.start([])
    sink.record(ROWS[0])
    fresh.setattr(wandb.Run, "log", lambda *_, **__: 1 / 0)
    with caplog.at_level(logging.WARNING):
        for row in ROWS[1:]:
            sink.record(row)
        sink.finish({}, exit_code=0)
    (warning,) = [r.getMessage() for r in caplog.records if r.name.startswith("vgglab")]
    assert warning.startswith("W&B did not take a row (division by zero): nothing is lost here")
    assert is_incomplete(tmp_path)


@pytest.mark.slow
def test_a_full_disk_of_wandbs_own_is_noticed_at_the_end(
    tmp_path: Path, fresh: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "wandb"
    folder.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mounted, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        fresh.setattr("vgglab.tracking.wandb_run.WRITE_SECONDS", 1.0)
        sink = WandbSink(TrackingConfig(), CARD, tmp_path)
        begun = time.monotonic()
        with caplog.at_level(logging.WARNING):
            sink.start([])
            for step in range(1, 3000):
                sink.record({"step": step, "epoch": 1.0, "note": f"{step:0200d}"})
            sink.finish({}, exit_code=0)
        assert time.monotonic() - begun < 30
        (attempt,) = folder.glob("offline-run-*")
        assert rows(attempt) < 2999
        warnings = [r.getMessage() for r in caplog.records if r.name.startswith("vgglab")]
        assert len(warnings) == 1
        assert "rows): nothing is lost here, and task=sync uploads it" in warnings[0]
        assert is_incomplete(tmp_path)
    finally:
        wandb.teardown()
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
