"""From overrides to checked configs, inside a running Hydra application."""

from __future__ import annotations

import contextlib
import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_repository import ConfigRepository
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from vgglab import checkout
from vgglab.config import Config
from vgglab.config.choices import check_choices
from vgglab.config.claims import Claims, parse_claims
from vgglab.config.infrastructure import PathsConfig
from vgglab.config.parse import ConfigError, is_known, parse, unknown_field
from vgglab.workflow.checks import check_net, check_paths
from vgglab.workflow.designs import designed
from vgglab.workflow.interpolations import Interpolations
from vgglab.workflow.launched import command_in, refuse_another_sweep, refuse_other_lists
from vgglab.workflow.resolve import resolve

MULTIRUN = "multirun.yaml"
"""In a study's folder: the command that launched it last, as Hydra composed it."""
SETS_MODE = re.compile(r"\bmode\b['\"]?\s*:\s*\S*(?:MULTIRUN|2)")
"""Of ``hydra.mode`` in a file; that of ``tracking`` has other values."""
MODES = {f"hydra.mode={mode.name}": mode for mode in RunMode}
"""Argument -> the mode that it sets; it counts for more than any file."""
NOT_OF_A_POINT = ("task=", "format=", "hydra.", "hydra/")
"""How overrides begin that are about the command."""

_of_points: list[str] = []
"""Overrides of this command that its points can take and its own composition cannot."""


@contextlib.contextmanager
def composed_once(arguments: Sequence[str], folders: Sequence[Path]) -> Iterator[None]:
    """Spare a command the first of Hydra's two compositions, half a second, which is for
    ``hydra.mode`` alone: an argument of that name decides, as each point of a study has one, and
    where nobody sets that field ``-m`` does.

    Args:
        arguments: Of the command.
        folders: Of config groups; where a file in one of them sets the mode, both are made.
    """
    said = [a for a in arguments if "hydra" in a and "mode" in a]
    elsewhere = any(a not in MODES for a in said) or (not said and _files_set_the_mode(folders))
    if elsewhere:
        yield
        return
    asked, mode = Hydra.get_mode, MODES[said[-1]] if said else None
    Hydra.get_mode = lambda *_, **__: mode  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = asked  # type: ignore[method-assign]


def _files_set_the_mode(folders: Sequence[Path]) -> bool:
    files = (f for folder in folders for form in ("*.yaml", "*/*.yaml") for f in folder.glob(form))
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file())
    return any(map(SETS_MODE.search, texts))


@contextlib.contextmanager
def files_read_once() -> Iterator[None]:
    """Read and parse each config file once for all that is composed inside this: of a study's nets,
    which take a third of a second each, a third. Hydra keeps them for one composition alone.

    It composes in what it has read, so each composition gets a copy. Inside of another it does
    nothing.
    """
    read = ConfigRepository.load_config
    if read.__module__ == __name__:
        yield
        return
    known: dict[Any, Any] = {}

    def load_config(self: ConfigRepository, config_path: str) -> Any:
        key = (config_path, *((source.provider, source.path) for source in self.sources))
        if key not in known:
            known[key] = read(self, config_path)
        return copy.deepcopy(known[key])

    ConfigRepository.load_config = load_config  # type: ignore[method-assign]
    try:
        yield
    finally:
        ConfigRepository.load_config = read  # type: ignore[method-assign]


def keep_for_points(key: str, arguments: list[str]) -> bool:
    """Take a field that Hydra did not find out of the command's own composition: its points may
    choose another data set, which has it. They are checked with it.

    Args:
        key: the field, such as ``data.root``.
        arguments: of the command; changed in place.

    Returns:
        Whether it was there, and the command is about points.
    """
    place = next((i for i, text in enumerate(arguments) if text.startswith(f"{key}=")), None)
    if place is None or not is_known(key):
        return False
    of_points = f"{key}=choice({arguments[place].partition('=')[2]})"
    if arguments[place].startswith(f"{key}=choice("):  # it is a point that has not got it
        return False
    if {"-m", "--multirun"}.intersection(arguments):
        arguments[place] = of_points  # Hydra leaves it to its sweeper
        return True
    named = [text.partition("=")[0] for text in arguments]
    if "task" in named and {"sweeps", "study.name"}.intersection(named):
        _of_points.append(of_points)
        del arguments[place]
        return True
    return False


def with_two_studies(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``sweeps=[A,B]`` of ``task=diff`` as the field ``studies``.

    Of a list of a group Hydra would merge the files, here those of two sweeps into one; and a study
    that is compared need not have a file in ``sweeps/``.
    """
    if "task=diff" not in arguments:
        return list(arguments)
    return [re.sub(r"^sweeps=", "studies=", argument) for argument in arguments]


@dataclass(frozen=True)
class Composed:
    """One point, as composed and checked."""

    config: Config
    claims: Claims
    """Of its study. Not a part of the config: a run does not depend on what it is taken to show."""
    interpolations: Interpolations
    """What in it is made of other fields."""


def checked(composed: DictConfig) -> Config:
    """The typed, checked and machine-resolved config of a composed one."""
    return _checked(composed)[0]


def _checked(composed: DictConfig) -> tuple[Config, Claims]:
    tree: Any = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    tree.pop("hydra", None)
    for group in ("experiments", "sweeps"):  # an empty choice leaves its name behind
        tree.pop(group, None)
    claims = parse_claims(tree.pop("claims", None))  # refused here, before anything trains
    config = resolve(parse(tree))
    check_net(config)
    check_paths(config)
    return config, claims


def composed_claims(overrides: Sequence[str]) -> Claims:
    """The claims of the study of these points, whatever its fields are."""
    composed = compose("config", overrides=list(overrides))
    tree: Any = OmegaConf.to_container(composed, resolve=True)
    return parse_claims(tree.get("claims"))


def compose_from(folder: Path) -> None:
    """Make a folder the checkout, and read its config files wherever this command composes."""
    checkout.enter(folder)
    GlobalHydra.instance().clear()
    # hydra_plugins/vgglab_user_folder.py adds the folder of --config-dir.
    initialize_config_dir(str(folder / "conf"), job_name="run", version_base="1.3")


def compose_point(overrides: Sequence[str]) -> Config:
    """The config of one point of a sweep."""
    return checked(_composed_point(overrides))


def compose_arm(overrides: Sequence[str]) -> Composed:
    """One point with its claims, and with what in it is made of other fields."""
    of_point = _composed_point(overrides)
    written = OmegaConf.to_yaml(of_point)  # as in the files, ${...} included
    return Composed(*_checked(of_point), Interpolations.of(written))


def _composed_point(overrides: Sequence[str]) -> DictConfig:
    composed = compose("config", overrides=list(overrides), return_hydra_config=True)
    check_choices(composed.hydra.runtime.choices, overrides)
    return OmegaConf.masked_copy(composed, [str(k) for k in composed if k != "hydra"])


def checked_command(composed: DictConfig) -> Config:
    """The config of the command itself, checked as that of a point is."""
    hydra = HydraConfig.get()
    check_choices(hydra.runtime.choices, hydra.overrides.task)
    if _of_points and not has_sweep():
        field = _of_points[0].partition("=")[0]
        raise ConfigError(f"{field}: {unknown_field(field)}")
    try:
        return checked(composed)
    except ConfigError:
        # Other data than the points have may be what is wrong with it.
        if hydra.runtime.choices["task"] == "train" or not has_sweep():
            raise
        return _with_the_first_point()


def _with_the_first_point() -> Config:
    """The config of a command on a study, with the choices of the study's first point."""
    hydra = HydraConfig.get()
    own = {text.partition("=")[0]: text for text in hydra.overrides.task}
    point = {text.partition("=")[0]: text for text in grid_of_this_command()[0]}
    return compose_point([*(point | own).values()])


def grid_of_this_command(leave_out: tuple[str, ...] = ()) -> list[list[str]]:
    """The overrides of every point of ``sweeps=NAME``, the same that ``-m`` makes; of a study that
    was launched before, and is named by ``study.name=NAME`` alone, those that it was launched with.

    Overrides of this command that begin with one of ``leave_out`` are not of the points.

    Raises:
        ConfigError: no sweep is named, or another than its study was launched with, or its design
            cannot be made.
    """
    hydra = HydraConfig.get()
    typed = [*hydra.overrides.task, *_of_points]
    own = [o for o in typed if not o.startswith((*NOT_OF_A_POINT, *leave_out))]
    if hydra.sweeper.params:
        params: Any = OmegaConf.to_container(hydra.sweeper.params, resolve=True)
        if hydra.runtime.choices["task"] not in ("train", "plan"):  # a plan is of a launch to come
            command = Path(hydra.sweep.dir) / MULTIRUN
            refuse_another_sweep(command, hydra.runtime.choices["sweeps"])
            if is_typed("study.name"):  # not the sweep's own, which may be reported on in part
                refuse_other_lists(command, params, typed)
    elif launched := _launched():
        params, before = launched
        # Its folder is where it was found; it may have been moved since.
        gone = (*NOT_OF_A_POINT, "paths.studies=")
        own = [*(o for o in before if not o.startswith(gone)), *own]
    else:
        name, studies = _named()
        raise ConfigError(
            not_launched(name, studies)
            if name
            else f"task={hydra.runtime.choices['task']} needs a study: sweeps=NAME, or "
            "study.name=NAME of one that was launched"
        )
    return designed([f"{key}={value}" for key, value in params.items()], own)


def _launched() -> tuple[dict[str, Any], list[str]] | None:
    """What the study that this command names was launched with: the lists of its sweep, and the
    overrides of the command. None where it names none, or one that has not been launched."""
    if HydraConfig.get().runtime.choices["task"] == "train":  # a point, or a study of its own
        return None
    name, studies = _named()
    try:
        path = Path(studies).expanduser() / name / MULTIRUN
    except RuntimeError:  # no such user, which check_paths says
        return None
    return command_in(path) if name and path.is_file() else None


def _named() -> tuple[str, str]:
    """The study that this command itself names, else an empty name, and the folder of studies."""
    own = dict(o.split("=", 1) for o in HydraConfig.get().overrides.task if "=" in o)
    name, studies = (
        own.get(key, usual).strip("'\"")
        for key, usual in (("study.name", ""), ("paths.studies", PathsConfig().studies))
    )
    return name, studies


def not_launched(name: str, studies: str) -> str:
    """What is wrong with ``study.name=name`` where no study has that name."""
    return (
        f"study.name={name}: no study of this name was launched in {studies}, or its sweeper chose "
        "its points"
    )


def is_typed(field: str) -> bool:
    """Whether the command line itself sets a field, by its dotted name."""
    return any(o.lstrip("+").startswith(f"{field}=") for o in HydraConfig.get().overrides.task)


def sweep_choice() -> str:
    """The name of the sweep that the command chose."""
    return str(HydraConfig.get().runtime.choices["sweeps"])


def has_sweep() -> bool:
    """Whether the command names a grid: a sweep's, or that of a study that was launched."""
    return bool(HydraConfig.get().sweeper.params) or _launched() is not None
