"""vgglab: find out, and prove, what depth does to a convolutional network.

In a notebook: ``vgglab.load("studies/depth")`` and ``vgglab.load_runs("runs")``; docs/notebook.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vgglab.notebook import Runs, Study, load, load_runs

__all__ = ["Runs", "Study", "load", "load_runs"]


def __getattr__(name: str) -> Any:
    """What a notebook uses, imported when it is first asked for: ``import vgglab`` stays cheap."""
    if name in __all__:
        return getattr(importlib.import_module("vgglab.notebook"), name)
    raise AttributeError(f"module 'vgglab' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
