"""A W&B-protocol server that goes away while a run is tracked, and comes back for task=sync.

Needs openwandb in a virtual environment of its own (``make wandb-server``).
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from running import SMALL, wait_for
from wandb_server import MISSING, TOOLS, Lab, Server, assert_same_summary, rows_on_disk

from vgglab.runs import read_metrics

pytestmark = [
    pytest.mark.wandb_server,
    pytest.mark.skipif(not (TOOLS / "bin" / "openwandb").exists(), reason=MISSING),
]
EPOCHS, FINISH_SECONDS = 6, 4


class Way:
    """The way to a server: open, closed (refused and cut off) or stuck (nothing moves on it)."""

    def __init__(self, server: Server) -> None:
        parts = urlsplit(server.url)
        self._server = parts.hostname or "", parts.port or 80
        self.state = "open"
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        if self.state == "closed":
            client.close()
            return
        server = socket.create_connection(self._server)
        other: dict[socket.socket, socket.socket] = {client: server, server: client}
        with selectors.DefaultSelector() as ready, client, server:
            for end in other:
                ready.register(end, selectors.EVENT_READ)
            while self.state != "closed":
                for key, _ in ready.select(0.1):
                    while self.state == "stuck":
                        time.sleep(0.1)
                    source: Any = key.fileobj
                    with contextlib.suppress(OSError):
                        if data := source.recv(65536):
                            other[source].sendall(data)
                            continue
                    return

    def close(self) -> None:
        self.state = "closed"
        self._listening.close()


@pytest.fixture
def way(server: Server) -> Iterator[Way]:
    made = Way(server)
    yield made
    made.close()


@pytest.mark.parametrize("state", ["closed", "stuck"])
def test_a_server_that_goes_away_in_the_middle_gets_every_row_later(
    state: str, way: Way, lab: Lab
) -> None:
    project = f"gone-{state}"
    choices = (
        *SMALL, f"seed={11 if state == 'closed' else 12}", f"recipe.epochs={EPOCHS}",
        "trainer.log_every=4", "tracking=online", f"tracking.project={project}",
        f"tracking.finish_seconds={FINISH_SECONDS}",
    )  # fmt: skip
    process = lab.start(*choices, WANDB_BASE_URL=way.url)
    wait_for(lambda: _epochs(lab.folder) >= 1, "it trains")
    way.state = state
    wait_for(lambda: list(lab.folder.glob("runs/*/result.json")), "it has ended")
    ended = time.monotonic()
    said, _ = process.communicate(timeout=90)
    assert process.returncode == 0, said
    assert time.monotonic() - ended < FINISH_SECONDS + 45  # the rest is a busy machine's
    assert "task=sync uploads it" in said
    (run,) = lab.runs()
    assert _epochs(lab.folder) == EPOCHS

    way.state = "open"
    said = lab.run("task=sync", f"tracking.project={project}")
    assert f"{run.name}: made anew from metrics.jsonl" in said
    assert f"uploaded {run.name}" in said
    # openwandb keeps a row that comes twice, as it would of any client; see test_server.py.
    held = lab.server.rows(run.name)
    kept = rows_on_disk(run)
    assert held.keys() == kept.keys()
    assert all(sorted(set(held[key])) == kept[key] for key in kept)
    assert_same_summary(run, lab.server, project)
    assert "0 of 1 runs to upload" in lab.run("task=sync", f"tracking.project={project}")


def _epochs(folder: Path) -> int:
    """That a run has recorded the end of."""
    return sum(
        "validation/loss" in record
        for path in folder.glob("runs/*/metrics.jsonl")
        for record in read_metrics(path)
    )
