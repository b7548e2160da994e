"""Copies the source of a study's points into the study's folder, named by its content.

A copy is a checkout without history: ``python COPY/run.py ...`` runs from it. Whatever a process
needs to know of it follows from where its ``run.py`` lies.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import secrets
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path

from vgglab.checkout import CODE, COPIED_USER_FOLDER, NOTE
from vgglab.config.parse import ConfigError
from vgglab.runs.atomic import write_json

FOLDER = "source"
"""In a study's folder: its copies."""
PARTS = (*CODE, "pyproject.toml")
"""What is copied of a checkout, as far as it is there."""
CONFIGS = (".yaml", ".yml")
"""All that Hydra reads of the folder of ``--config-dir``."""
DAY = 24 * 60 * 60
"""Seconds."""
MOST_CONFIGS = 2000
"""Files of that folder. One with more is no folder of configs."""


def files_of(root: Path, user: Path | None, leave_out: Collection[Path] = ()) -> dict[str, Path]:
    """The files that a copy has.

    Args:
        root: The checkout.
        user: The folder of ``--config-dir``.
        leave_out: Folders in ``user`` that hold no configs of the user's, resolved.

    Returns:
        Name in the copy -> the file, by name.

    Raises:
        ConfigError: ``user`` is no folder of configs alone.
    """
    found = {}
    for part in PARTS:
        top = root / part
        for path in _walk(top) if top.is_dir() else [top] * top.is_file():
            found[path.relative_to(root).as_posix()] = path
    if user is not None:
        configs = (path for path in _walk(user, leave_out) if path.suffix in CONFIGS)
        chosen = list(islice(configs, MOST_CONFIGS + 1))
        if len(chosen) > MOST_CONFIGS:
            raise ConfigError(
                f"--config-dir {user}: more than {MOST_CONFIGS} YAML files, of which a study would "
                "keep a copy; name a folder that holds your configs alone"
            )
        for path in chosen:
            found[f"{COPIED_USER_FOLDER}/{path.relative_to(user).as_posix()}"] = path
    return dict(sorted(found.items()))


def _walk(top: Path, leave_out: Collection[Path] = ()) -> Iterator[Path]:
    """Files below a folder, without hidden ones and what Python and pip leave behind."""
    seen = {*leave_out, top.resolve()}
    for folder, folders, names in os.walk(top, followlinks=True):
        here = Path(folder)
        for name in list(folders):
            place = (here / name).resolve()
            if name.startswith((".", "__pycache__")) or name.endswith(".egg-info") or place in seen:
                folders.remove(name)
            seen.add(place)  # a link may lead back
        for name in names:
            if not name.startswith(".") and (here / name).is_file():
                yield here / name


def digest(files: Mapping[str, Path]) -> str:
    """Hash of names and contents."""
    found = hashlib.sha256()
    for name, path in files.items():
        content = path.read_bytes()
        found.update(f"{name}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()[:16]


def copy(files: Mapping[str, Path], about: Mapping[str, str], study: Path) -> Path:
    """Copy files into a folder of a study that is this process's alone, until it is ``kept``.

    Args:
        files: As ``files_of`` gives them.
        about: Written into the copy's ``NOTE``.
        study: The study's folder.

    Returns:
        The copy; where the study has one of this content, that one.
    """
    folder = study.absolute() / FOLDER
    if (there := folder / digest(files)).is_dir():
        return there
    private = folder / f".{secrets.token_hex(8)}"
    try:
        for name, path in files.items():
            to = private / name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, to)
            if to.suffix == ".py":  # compiled, or the first point of each copy compiles all of it
                _copy_compiled(path, to)
        write_json(private / NOTE, about)
    except BaseException:
        remove(private)
        raise
    return private


def _copy_compiled(source: Path, to: Path) -> None:
    """Valid for the copy, which has the time of its original; without it Python compiles anew."""
    compiled, there = (Path(importlib.util.cache_from_source(str(path))) for path in (source, to))
    if compiled.is_file():
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(compiled, there)


def copies_of(study: Path) -> dict[Path, str]:
    """The copies that a study has, the one that was launched last at the end.

    Returns:
        The copy's folder -> the source of the runs that it computes, as their records have it.
    """
    notes = [p for p in (study / FOLDER).glob(f"*/{NOTE}") if not is_private(p.parent)]
    notes.sort(key=lambda path: path.stat().st_mtime_ns)  # written anew at each launch
    return {path.parent: json.loads(path.read_text(encoding="utf-8"))["source"] for path in notes}


def is_private(copied: Path) -> bool:
    """Whether a copy may still be removed by the process that has made it."""
    return copied.parent.name == FOLDER and copied.name.startswith(".")


def left_behind(study: Path) -> list[Path]:
    """Private copies of launches that were killed: none needs a day from its copy to its start."""
    private = (study / FOLDER).glob(".*")
    return sorted(path for path in private if time.time() - path.stat().st_mtime > DAY)


def keep(private: Path) -> Path:
    """Give a private copy its name, in one step; the one of another process where that was first.

    Returns:
        The copy's folder from now on.
    """
    user = private / COPIED_USER_FOLDER
    found = private.parent / digest(files_of(private, user if user.is_dir() else None))
    try:
        private.rename(found)
    except OSError:
        if not found.is_dir():
            raise
        shutil.rmtree(private)
    return found


def remove(private: Path) -> None:
    """Remove a private copy, and its folder where it is the only one."""
    shutil.rmtree(private, ignore_errors=True)
    with contextlib.suppress(OSError):
        private.parent.rmdir()
