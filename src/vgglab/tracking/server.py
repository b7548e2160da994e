"""Which W&B server is meant, and whether it is there."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

import wandb

SECONDS = 3.0
"""How long an answer is waited for. W&B's own client waits minutes, in ``init`` and again at the
end."""


def base_url() -> str:
    """``WANDB_BASE_URL``, else what ``wandb login --host`` stored, else W&B's own cloud."""
    return str(wandb.setup().settings.base_url)


def answers(url: str) -> bool:
    """Whether something listens there. Behind a proxy nobody can tell: then it is taken to."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=SECONDS).close()
    except OSError:
        return False
    return True


def agent_run_id() -> str | None:
    """The id that a W&B sweep's agent chose for this process's run; None without an agent.

    The sweep's controller knows its runs by that id alone.
    """
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
