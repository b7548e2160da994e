"""The code and the libraries that a run is computed by, for its record."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import yaml

import vgglab
from vgglab import checkout
from vgglab.config import Config, plain
from vgglab.privacy import without_home, without_home_in, without_secrets
from vgglab.runs import RunDirectory
from vgglab.runs.atomic import write_text

PACKAGES = (
    "torch",
    "torchvision",
    "pytorch-lightning",
    "torchmetrics",
    "hydra-core",
    "wandb",
    "numpy",
    "pillow",
)
OPTIONAL = ("simplejpeg",)

HOME = "$HOME"
OF_A_POINT = ("hydra.mode=RUN", "hydra/launcher=basic")
"""What a launcher adds to the overrides of a point's process."""
COMPUTING = ("config", "models", "data", "training", "evaluation")
"""Rooms whose source can change a run's numbers."""
SUFFIXES = (".py", ".cpp", ".h")


@functools.cache
def source() -> str:
    """Hash of the source of the rooms that compute; two runs must share it to be compared.

    More exact than a commit, which also changes with a word of the documentation and does not say
    which changes a working tree had. Of a study's copy, from its launch on, also in the launcher.
    """
    copied = checkout.root() / "src" / vgglab.__name__
    here = copied if checkout.note() is not None else Path(vgglab.__file__).parent
    digest = hashlib.sha256()
    for room in COMPUTING:
        for file in sorted(f for f in (here / room).rglob("*") if f.suffix in SUFFIXES):
            digest.update(f"{file.relative_to(here).as_posix()}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of every library that can change a result."""
    found = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    for name in OPTIONAL:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def write_config(directory: RunDirectory, config: Config) -> None:
    """Write ``config.yaml``: fully resolved, and without the user's home folder."""
    tree = without_home_in(plain(config))
    write_text(directory.config, yaml.safe_dump(tree, sort_keys=False))


@functools.cache
def commit() -> str:
    """The checkout's commit, with ``+changes`` if files differ from it; empty outside git. Of a
    copy, the one that its checkout had when it was launched last."""
    if (known := checkout.note()) is not None:
        return str(known["commit"])
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"],
            cwd=checkout.root(),
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return described.stdout.strip()


@functools.cache
def knows(commit: str) -> bool:
    """Whether a recorded commit is one of this checkout's."""
    name = f"{commit.removesuffix('+changes')}^{{commit}}"
    try:
        command = ["git", "cat-file", "-e", name]
        ended = subprocess.run(
            command, cwd=checkout.origin(), capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return ended.returncode == 0


def command_line() -> str:
    """The command line of this process, to be pasted into a shell.

    Without what a launcher adds for its own points, and with the folder that its user named.
    """
    known, copied = checkout.note(), str(checkout.root() / checkout.COPIED_USER_FOLDER)
    named = {copied: str(known["config_dir"])} if known is not None else {}
    typed = [named.get(text, text) for text in sys.argv[1:] if text not in OF_A_POINT]
    return " ".join(["python", _pasted(Path(sys.argv[0]).name), *map(_pasted, typed)])


def _pasted(argument: str) -> str:
    # Neither a shell nor Hydra takes data.root=~/x for a folder of the home.
    parts = without_secrets(without_home(argument, HOME)).split(HOME)
    return f'"{HOME}"'.join(shlex.quote(part) if part else "" for part in parts) or "''"
