"""Address of the W&B server, and checks that a run can be sent there."""

from __future__ import annotations

import http.client
import os
import ssl
import threading
import urllib.error
import urllib.request

import wandb

from vgglab.privacy import without_secrets
from vgglab.tracking.wandb_internals import has_credentials

SECONDS = 3.0
"""Longest wait for an answer. W&B's client waits minutes, in ``init`` and again at the end."""


def base_url() -> str:
    """Return the server's address.

    That is ``WANDB_BASE_URL``, else what ``wandb login --host`` stored, else W&B's own cloud.
    """
    return str(wandb.setup().settings.base_url)


def web_address() -> str:
    """Return the address of the server's pages."""
    return without_secrets(str(wandb.setup().settings.app_url))


def answers(url: str) -> bool:
    """Whether a server answers there; behind a proxy this cannot be known, and True is assumed."""
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True
    found: list[bool] = []
    asking = threading.Thread(target=lambda: found.append(_answers(url)), daemon=True)
    asking.start()
    asking.join(SECONDS)  # urlopen's limit is one for each byte that arrives
    return found == [True]


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=SECONDS).close()
    except urllib.error.HTTPError:
        return True  # it answers that it has no such page
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLError)  # W&B's client may know its certificate
    except (OSError, http.client.HTTPException):
        return False
    return True


def why_not(url: str) -> str:
    """Return why a run cannot be sent there now; an empty text if it may be tried."""
    if not has_credentials(url):
        return "no API key (.venv/bin/wandb login)"
    return "" if answers(url) else "does not answer"


def agent_run_id() -> str | None:
    """Return the run id that the agent of a W&B sweep has chosen; None without an agent.

    The controller of the sweep knows its runs by that id alone.
    """
    return os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
