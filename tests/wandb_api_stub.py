"""A server on loopback that answers the one question by which ``wandb.Api`` lists a project's runs.

openwandb, the W&B-protocol server of the other tests, cannot: it refuses the empty operation name
that W&B's client sends, and its schema has neither pages nor the fields that are asked for. The
answers here are of the form that the client reads; that W&B's own server gives it is not shown.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ENTITY, PROJECT = "team", "nets"
KEY = "local0000000000000000000000000000000000000000"


def run_of(arm: str, seed: int, error: Any, state: str = "finished", **more: Any) -> dict[str, Any]:
    """What a run of vgglab is to ``serve_runs``."""
    summary = {"outcome": "finished", "test/center/top1_error": error, "test/center/images": 5000}
    return {
        "id": f"{arm}-s{seed}",
        "state": state,
        "group": "depth",
        "config": {"cfg": {"arm": arm, "seed": seed}, "cfg/arm": arm, "cfg/seed": seed},
        "summary": {name: value for name, value in summary.items() if value is not None},
    } | more


@contextmanager
def serve_runs(runs: Sequence[Mapping[str, Any]], page: int = 2) -> Iterator[dict[str, str]]:
    """A server of one project with these runs, a few a page; yields what a user would export."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/graphql":  # the client's own measurements
                self._answer({})
                return
            asked = json.loads(body)
            if "query Runs(" not in asked["query"]:  # who the key is of
                user = {"id": "1", "entity": ENTITY, "username": "x", "flags": "{}"}
                self._answer({"data": {"viewer": user}})
                return
            given = asked["variables"]
            is_there = (given["entity"], given["project"]) == (ENTITY, PROJECT)
            self._answer({"data": {"project": _page(given) if is_there else None}})

        def _answer(self, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    def _page(given: Mapping[str, Any]) -> dict[str, Any]:
        start = int(given.get("cursor") or 0)
        shown = runs[start : start + page]
        end = start + len(shown)
        edges = [
            {"node": _node(run), "cursor": str(start + place)} for place, run in enumerate(shown, 1)
        ]
        info = {"endCursor": str(end), "hasNextPage": end < len(runs)}
        return {
            "internalId": "1",
            "runCount": len(runs),
            "readOnly": False,
            "runs": {"edges": edges, "pageInfo": info},
        }

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        yield {"WANDB_BASE_URL": url, "WANDB_API_KEY": KEY}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _node(run: Mapping[str, Any]) -> dict[str, Any]:
    config = {name: {"value": value} for name, value in run["config"].items()}
    return {
        "projectId": "1",
        "id": run["id"],
        "name": run["id"],
        "displayName": run["id"],
        "tags": [],
        "sweepName": None,
        "state": run["state"],
        "config": json.dumps(config),
        "summaryMetrics": json.dumps(run["summary"]),
        "systemMetrics": "{}",
        "group": run["group"],
        "jobType": "train",
        "commit": None,
        "readOnly": False,
        "createdAt": "2026-11-28T00:00:00Z",
        "heartbeatAt": "2026-11-28T00:00:00Z",
        "description": "",
        "notes": "",
        "historyLineCount": 0,
        "historyKeys": {},
        "user": {"name": "x", "username": "x"},
    }
