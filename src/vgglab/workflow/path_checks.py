"""Whether what a config calls a folder or a file can be one, before anything is written."""

from __future__ import annotations

from pathlib import Path

from vgglab.config import Config, FilesConfig
from vgglab.config.parse import ConfigError, shown


def check_places(config: Config) -> None:
    """
    Raises:
        ConfigError: a name is too long or not legal, or a file is where a folder would be made.
    """
    folders = {f"paths.{name}": getattr(config.paths, name) for name in ("runs", "studies", "data")}
    for field, text in folders.items():
        path = Path(text)
        there = next(at for at in (path, *path.parents, Path()) if _is_there(field, text, at))
        if not there.is_dir():
            raise ConfigError(f"{field} = {shown(text)}: {there} is a file, and no folder")
    others = {"prepare.copy": config.prepare.copy, "weights": config.weights}
    if isinstance(config.data, FilesConfig):
        others["data.root"] = config.data.root
    for field in ("run", "fuse"):
        value = getattr(config, field)
        for name in (value,) if isinstance(value, str) else value:
            others[field] = name
            _is_there(field, name, Path(config.paths.runs) / name)
    for field, text in others.items():
        _is_there(field, text, Path(text))


def _is_there(field: str, text: str, path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{field} = {shown(text)}: {reason}") from error
