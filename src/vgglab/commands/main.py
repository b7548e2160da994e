"""``python run.py ...``: compose, check, dispatch, and turn every end into an exit code."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import re
import shlex
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from vgglab import checkout
from vgglab.config import store, wandb_variables
from vgglab.config.experiment import TaskName
from vgglab.config.parse import ConfigError, is_value, shortened, unknown_field
from vgglab.config.typo import USER_MISTAKE
from vgglab.config.yaml_files import check_chosen
from vgglab.data.errors import DataError
from vgglab.launch.chosen import PointFailed, failed
from vgglab.launch.point import is_point, is_slurm_point
from vgglab.launch.ranks import RankFailed
from vgglab.privacy import without_secrets
from vgglab.runs.directory import READ_ONLY
from vgglab.signals import STOPPED, STOPPED_EXIT_CODE, raise_on_stop
from vgglab.streams import outlive_readers
from vgglab.workflow.compose import (
    checked_command,
    composed_once,
    keep_for_points,
    with_two_studies,
)
from vgglab.workflow.help import help_text
from vgglab.workflow.places import refuse_unwritable
from vgglab.workflow.selectors import refuse_unread
from vgglab.world import WorldError, leave_agent, world_of

DONE, FAILED, INTERRUPTED = 0, 1, STOPPED_EXIT_CODE

NOT_FOUND = re.compile(r"Could not override '([^']+)'")
"""In Hydra's message about a field that the composed config has not."""

COMMANDS: dict[TaskName, str] = {
    "train": "vgglab.commands.train:run",
    "evaluate": "vgglab.commands.evaluate:evaluate",
    "verify": "vgglab.commands.verify:verify",
    "report": "vgglab.commands.report:report",
    "plan": "vgglab.commands.plan:plan",
    "prune": "vgglab.commands.prune:prune",
    "sync": "vgglab.commands.sync:sync",
    "dashboard": "vgglab.commands.dashboard:dashboard",
    "runs": "vgglab.commands.runs:runs",
    "prepare": "vgglab.commands.prepare:prepare",
    "describe": "vgglab.commands.describe:describe",
    "bundle": "vgglab.commands.bundle:bundle",
    "judge": "vgglab.commands.judge:judge",
    "diff": "vgglab.commands.diff:diff",
}
"""``task`` -> the function that carries it out; its module is loaded only then."""


EXAMPLES = {
    "": "trains net A on 5,000 digits",
    "model=d norm=batch seed=3": "trains any composition; a typo lists the choices",
    "-m sweeps=depth": "trains a study, then writes its report; again: only what is missing",
    "task=plan sweeps=depth": "what that takes and can show, before it starts",
    "task=describe model=d": "layers, parameters, MACs, memory",
}
"""Arguments -> what they do, for ``--help``."""


def main(root: Path) -> None:
    """Run the command in ``sys.argv`` and leave with its exit code."""
    outlive_readers()
    checkout.enter(root)
    checkout.leave_other_source()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us instead of Hydra's own printer
    store.register()
    typed = with_two_studies(with_bundle(sys.argv[1:]))
    sys.argv[1:] = overrides_last(with_user_folder(typed))
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(help_text([*_user_folders(), root, root / "conf"], COMMANDS, EXAMPLES))
        sys.exit(DONE)
    code = DONE

    @hydra.main(version_base="1.3", config_path=str(root / "conf"), config_name="config")
    def command(composed: DictConfig) -> None:
        nonlocal code
        # Caught here: Hydra would print a line of its own for an exception that passes it.
        code = exit_code_of(lambda: dispatch(composed))

    def compose_and_run() -> None:
        is_sweep = bool({"-m", "--multirun", "hydra.mode=MULTIRUN"} & set(sys.argv[1:]))
        # While its points run theirs says more; a run's own waits for a checkpoint.
        stopping = raise_on_stop("stopping") if is_sweep else contextlib.nullcontext()
        with stopping, composed_once(sys.argv[1:], [*_user_folders(), root, root / "conf"]):
            with_fields_of_points(command)

    code = (
        exit_code_of(lambda: check_arguments(sys.argv[1:], root))
        or exit_code_of(say_of_variables)
        or exit_code_of(compose_and_run)
        or code
        or (FAILED if failed else DONE)
    )
    if code == INTERRUPTED:
        # It has stopped and said so; once more Ctrl-C, while Python winds up, changes nothing.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def check_arguments(arguments: Sequence[str], root: Path) -> None:
    """See that Hydra can do what the arguments ask of it, and read the files that they name.

    Raises:
        ConfigError: it cannot.
    """
    shows = next((a for a in arguments if a in ("--cfg", "-c", "--info", "-i")), None)
    if shows and any(a in ("-m", "--multirun") for a in arguments):
        raise ConfigError(f"-m {shows}: shows one run's config; leave out -m, and choose one point")
    if "--resolve" in arguments and "hydra" in arguments:
        raise ConfigError("--cfg hydra --resolve: Hydra's part names fields of ours; use --cfg all")
    for argument in arguments:
        key, _, value = argument.partition("=")
        if key == "sweeps" and "task=diff" not in arguments and _lists_several(argument):
            raise ConfigError(f"{argument}: a command is about one study; name one")
        if key in ("hydra.sweeper", "hydra.launcher"):
            raise ConfigError(f"{argument}: is chosen by {key.replace('.', '/')}={value}")
    check_chosen(arguments, [*_user_folders(), root, root / "conf"])


def _lists_several(argument: str) -> bool:
    """Whether Hydra would take each of several values in turn; what it cannot read it says."""
    try:
        return OverridesParser.create().parse_override(argument).is_sweep_override()
    except HydraException:
        return False


def _user_folders() -> list[Path]:
    """The folder of ``--config-dir``, if there is one."""
    user = os.environ.get(checkout.USER_FOLDER)
    return [Path(user)] if user else []


def say_of_variables() -> None:
    """Say which of W&B's variables count, once, where a command may use W&B."""
    if is_point() or is_slurm_point() or world_of(os.environ) is not None:
        return
    named = next((a for a in reversed(sys.argv[1:]) if a.startswith("task=")), "task=train")
    if named.removeprefix("task=") in ("train", "report", "sync", "dashboard"):
        for line in wandb_variables.notes(sys.argv[1:], os.environ):
            print(f"note: {without_secrets(line)}", file=sys.stderr)


def overrides_last(arguments: Sequence[str]) -> list[str]:
    """The same arguments with Hydra's flags and their values in front: between two overrides, such
    as ``model=d -m seed=0,1``, argparse refuses them."""
    return sorted(arguments, key=lambda text: text[:1] != "-" and ("=" in text or text[:1] == "~"))


def with_bundle(arguments: Sequence[str]) -> list[str]:
    """The same arguments, ``bundle=`` before one of ``task=judge`` or ``task=bundle`` that is the
    name of a zip alone: Hydra knows no arguments without a key."""
    if not {"task=judge", "task=bundle"} & set(arguments):
        return list(arguments)
    return [_bundle_named(a) if re.fullmatch(r"[^-=][^=]*\.zip", a) else a for a in arguments]


def _bundle_named(path: str) -> str:
    quoted = path.replace("\\", "\\\\").replace("'", "\\'")
    return f"bundle='{quoted}'"


def with_user_folder(arguments: Sequence[str]) -> list[str]:
    """The same arguments, ``--config-dir`` in front, or that of the command that has started this:
    points and ranks find a user's own nets and experiments where their study did."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--cfg", "-c", dest="shown")  # or -c would be taken for a short -cd
    found, others = parser.parse_known_args(list(arguments))
    if found.config_dir is not None:
        os.environ[checkout.USER_FOLDER] = str(Path(found.config_dir).absolute())
    shown = ["--cfg", found.shown] if found.shown else []
    folder = found.config_dir or os.environ.get(checkout.USER_FOLDER)
    return ["--config-dir", folder, *shown, *others] if folder else [*shown, *others]


def with_fields_of_points(command: Callable[[], None]) -> None:
    """Call Hydra's application, which reads ``sys.argv``; once more without a field that it did not
    find where the points of the command's study may have it."""
    while True:
        try:
            return command()
        except HydraException as error:
            match = NOT_FOUND.search(str(error))
            if not match or not keep_for_points(match[1], sys.argv):
                raise


def dispatch(composed: DictConfig) -> None:
    """Carry out the task of a composed config."""
    config = checked_command(composed)
    refuse_unread(config)
    refuse_unwritable(config)
    if config.task.name != "train":
        leave_agent()  # it has asked for a run, and this command makes none
    module, _, function = COMMANDS[config.task.name].partition(":")
    getattr(importlib.import_module(module), function)(config)


def exit_code_of(action: Callable[[], None]) -> int:
    """Run an action; turn what goes wrong into one line on the screen and an exit code."""
    try:
        action()
    except (ConfigError, DataError, WorldError) as error:
        return _complain(str(error), USER_MISTAKE)
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        return _complain(shortened(explain_hydra(error)), USER_MISTAKE)
    except (RankFailed, PointFailed) as error:
        return _complain(str(error), error.code)
    except KeyboardInterrupt:
        return _complain(STOPPED, _code_of_a_stop())
    except Exception as error:
        return _unexpected(error)
    return DONE


def _complain(message: str, code: int) -> int:
    print(f"error: {without_secrets(' '.join(message.split()))}", file=sys.stderr)
    return code


def _unexpected(error: Exception) -> int:
    if (empty := empty_choice(error)) is not None:
        return _complain(empty, USER_MISTAKE)
    # By name: importing the class would import torch for commands that do not train.
    if type(error).__name__ == "Interrupted":
        said = f"interrupted by {error}; the same command goes on from here"
        return _complain(said, _code_of_a_stop())
    log = getattr(error, "vgglab_log", None)
    if log is None and isinstance(error, OSError) and error.errno in READ_ONLY and error.filename:
        return _complain(
            f"{error.filename}: {error.strerror}; name folders that can be written: "
            "paths.runs=FOLDER paths.studies=FOLDER paths.data=FOLDER",
            USER_MISTAKE,
        )
    if log is None:
        with tempfile.NamedTemporaryFile(
            "w", prefix="vgglab-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            file.write(without_secrets("".join(traceback.format_exception(error))))
        log = file.name
    return _complain(f"{type(error).__name__}: {error} (traceback in {log})", FAILED)


def _code_of_a_stop() -> int:
    """Of one of srun's tasks the first tells that a run was stopped: another that ended otherwise
    than well would have ``--kill-on-bad-exit`` end the first, which is still writing."""
    with contextlib.suppress(WorldError):
        world = world_of(os.environ)
        if world is not None and world.started_by == "srun" and not world.is_first:
            return DONE
    return INTERRUPTED


def empty_choice(error: Exception) -> str | None:
    """A line about ``model=null``, which Hydra trips over; None where the error is another one."""
    if "Config group override must be a string or a list" not in str(error):
        return None
    groups = checkout.root() / "conf"
    for argument in sys.argv[1:]:
        group, _, choice = argument.partition("=")
        if choice == "null" and (groups / group).is_dir():
            names = sorted(path.stem for path in (groups / group).glob("*.yaml"))
            return f"{argument}: must be one of {', '.join(names)}"
    return "null is no choice of a config group; the choices are the files in its folder in conf/"


def in_quotes(override: str) -> str:
    """An override that Hydra cannot read, as one would type it in a shell for Hydra to take its
    value as text; empty where quotes do not help."""
    key, _, value = override.partition("=")
    text = key + "='" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    try:
        read = OverridesParser.create().parse_override(text).value()
    except HydraException:
        return ""
    if not value or read != value or not is_value(key):
        return ""
    return shlex.quote(text) if re.search(r'["\\$`!]', text) else f'"{text}"'


def explain_hydra(error: Exception) -> str:
    """One line in place of Hydra's several."""
    if isinstance(error, OverrideParseException):
        meant = in_quotes(error.override)
        return f"{error.override}: " + (
            f"a value with such characters stands in quotes: {meant}"
            if meant
            else "not a Hydra override such as group=choice or field=value"
        )
    text = str(error)
    if match := re.search(r"Ambiguous value for argument '([^']+)'", text):
        key, _, values = match[1].partition("=")
        usual = (
            f"{match[1]}: a run of each is a sweep: -m {match[1]}; a list is {key}=[{values}], and "
            f"a text with a comma \"{key}='{values}'\""
        )
        two = f"sweeps={values}: two studies are a list: sweeps=[{values}]"
        return two if key == "studies" else usual  # as with_two_studies has written it
    if match := NOT_FOUND.search(text):
        return f"{match[1]}: {unknown_field(match[1])}"
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, name = match[1], match[2]
        options = re.findall(r"^\t(\S+)$", text, flags=re.MULTILINE)
        return f"{group}={name}: must be one of {', '.join(options) or 'none yet'}"
    return text
