"""Which W&B server is meant, and whether it is there."""

from __future__ import annotations

import http.client
import os
import ssl
import urllib.error
import urllib.request

import wandb
from wandb.sdk.lib.wbauth import authenticate_session

SECONDS = 3.0
"""How long an answer is waited for. W&B's own client waits minutes, in ``init`` and again at the
end."""


def base_url() -> str:
    """``WANDB_BASE_URL``, else what ``wandb login --host`` stored, else W&B's own cloud."""
    return str(wandb.setup().settings.base_url)


def answers(url: str) -> bool:
    """Whether a server says anything there. Behind a proxy nobody can tell: then it is taken to."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    try:
        urllib.request.urlopen(url, timeout=SECONDS).close()
    except urllib.error.HTTPError:
        return True  # it says that it has no such page
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # W&B's client may know its certificate
    except (OSError, http.client.HTTPException):
        return False
    return True


def has_key(url: str) -> bool:
    """Whether there is an API key for a server. W&B's own client would ask a terminal for one."""
    try:
        found = authenticate_session(host=url, source="vgglab", prompt=False, update_session=False)
    except wandb.errors.Error:
        return False  # what there is could not be one
    return found is not None


def why_not(url: str) -> str:
    """Why a run cannot be sent there now; nothing where it can be tried."""
    if not has_key(url):
        return "no API key (.venv/bin/wandb login)"
    return "" if answers(url) else "does not answer"


def agent_run_id() -> str | None:
    """The id that a W&B sweep's agent chose for this process's run; None without an agent.

    The sweep's controller knows its runs by that id alone.
    """
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
