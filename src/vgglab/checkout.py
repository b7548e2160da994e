"""The checkout that a command belongs to: the folder with ``run.py``, ``conf`` and the sweeps.

For the points of a study it is a copy of one, taken at launch (``launch/snapshot.py``).
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

VARIABLE = "VGGLAB_ROOT"
"""Environment variable that holds the folder: Hydra's search path reads it."""
USER_FOLDER = "VGGLAB_CONFIG_DIR"
"""Environment variable with the folder of ``--config-dir``, absolute, for processes below."""
PYTHONPATH = "PYTHONPATH"

CODE = ("run.py", "src", "conf", "experiments", "sweeps")
"""Parts of a checkout that can change the result of a run."""
NOTE = "snapshot.json"
"""In a copy: what is known of the checkout, which a copy cannot find out."""
COPIED_USER_FOLDER = "config-dir"
"""In a copy: that of the folder of ``--config-dir``."""


def enter(folder: Path) -> None:
    """Make a folder the checkout of this process and of those that it starts.

    This process keeps the source that it has imported; the others import that of the folder.
    """
    os.environ[VARIABLE] = str(folder)
    if (copied := folder / COPIED_USER_FOLDER).is_dir():
        os.environ[USER_FOLDER] = str(copied)
    if (source := folder / "src").is_dir():
        others = [p for p in os.environ.get(PYTHONPATH, "").split(os.pathsep) if p]
        kept = [path for path in others if path != str(source)]
        os.environ[PYTHONPATH] = os.pathsep.join([str(source), *kept])


def root() -> Path:
    """The folder that ``run.py`` entered; in a process without one, that of this source."""
    return Path(os.environ.get(VARIABLE, Path(__file__).resolve().parents[2]))


def note() -> dict[str, Any] | None:
    """What a copy's ``NOTE`` says, with its folders in full; None where this is no copy."""
    try:
        found: dict[str, Any] = json.loads((root() / NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    folders = {key: found[key] for key in ("checkout", "config_dir") if found[key]}
    return found | {key: str(Path(path).expanduser()) for key, path in folders.items()}


def origin() -> Path:
    """The checkout itself, with its history, also where this process runs from a copy of it."""
    known = note()
    return Path(known["checkout"]) if known is not None else root()


def leave_other_source() -> None:
    """Take other copies of this source off the path: the installed one has plugins, too, and Hydra
    loads those of every folder that has any."""
    own = Path(__file__).resolve().parents[1]
    this = Path("vgglab", Path(__file__).name)
    others = {p for p in sys.path if (Path(p) / this).is_file() and Path(p).resolve() != own}
    sys.path[:] = [path for path in sys.path if path not in others]
