"""``python run.py ...``: compose, check, dispatch, and turn every end into an exit code."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from vgglab.config import store
from vgglab.config.parse import ConfigError, shortened, unknown_field
from vgglab.data.errors import DataError
from vgglab.launch.point import is_point
from vgglab.launch.ranks import RankFailed
from vgglab.launch.slurm import is_slurm_point
from vgglab.signals import STOPPED_EXIT_CODE
from vgglab.workflow.compose import checked, grid_of_this_command, has_sweep

DONE, FAILED, USER_MISTAKE, INTERRUPTED = 0, 1, 2, STOPPED_EXIT_CODE


def main(root: Path) -> None:
    """Run the command in ``sys.argv`` and leave with its exit code."""
    os.environ["VGGLAB_ROOT"] = str(root)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us instead of Hydra's own printer
    store.register()
    sys.argv[1:] = multirun_first(sys.argv[1:])
    code = DONE

    @hydra.main(version_base="1.3", config_path=str(root / "conf"), config_name="config")
    def command(composed: DictConfig) -> None:
        nonlocal code
        # Caught here: Hydra would print a line of its own for an exception that passes it.
        code = exit_code_of(lambda: dispatch(composed, root))

    code = exit_code_of(command) or code
    if code == INTERRUPTED:
        # It has stopped and said so; once more Ctrl-C, while Python winds up, changes nothing.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def multirun_first(arguments: Sequence[str]) -> list[str]:
    """The same arguments with ``-m`` in front: Hydra refuses it between two overrides."""
    flags = {"-m", "--multirun"}
    return sorted(arguments, key=lambda argument: argument not in flags)


def dispatch(composed: DictConfig, root: Path) -> None:
    """Do what the config's task says."""
    config = checked(composed)
    if config.task.name == "train":
        from vgglab.commands.train import train

        if has_sweep() and not (is_point() or is_slurm_point()):
            choice = HydraConfig.get().runtime.choices["sweeps"]
            raise ConfigError(f"sweeps={choice} is a study: python run.py -m sweeps={choice}")
        train(config, root)
    elif config.task.name == "evaluate":
        from vgglab.commands.evaluate import evaluate

        evaluate(config)
    elif config.task.name == "verify":
        from vgglab.commands.verify import verify

        verify(config, root)
    elif config.task.name == "report":
        from vgglab.workflow.points import compose_points
        from vgglab.workflow.reporting import write_study_report

        print(f"report: {write_study_report(compose_points(grid_of_this_command()))}")
    elif config.task.name == "plan":
        from vgglab.commands.plan import print_plan
        from vgglab.workflow.points import compose_points

        print_plan(compose_points(grid_of_this_command()), root, config.format)
    elif config.task.name == "sync":
        from vgglab.commands.sync import sync

        sync(config, root)
    elif config.task.name == "dashboard":
        from vgglab.workflow.points import compose_points
        from vgglab.workflow.reporting import save_dashboard

        print("\n".join(save_dashboard(compose_points(grid_of_this_command()))))
    elif config.task.name == "runs":
        from vgglab.commands.runs import print_ledger

        print_ledger(config)
    elif config.task.name == "prepare":
        from vgglab.commands.prepare import prepare

        prepare(config)
    elif config.task.name == "describe":
        from vgglab.commands.describe import print_description

        print_description(config)


def exit_code_of(action: Callable[[], None]) -> int:
    """Run an action; what goes wrong becomes one line on the screen and an exit code."""
    try:
        action()
    except (ConfigError, DataError) as error:
        return _complain(str(error), USER_MISTAKE)
    except (HydraException, OmegaConfBaseException) as error:
        return _complain(shortened(explain_hydra(error)), USER_MISTAKE)
    except RankFailed as error:
        return _complain(str(error), error.code)
    except KeyboardInterrupt:
        return _complain("interrupted; the same command goes on from here", INTERRUPTED)
    except Exception as error:
        return _unexpected(error)
    return DONE


def _complain(message: str, code: int) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return code


def _unexpected(error: Exception) -> int:
    if (empty := empty_choice(error)) is not None:
        return _complain(empty, USER_MISTAKE)
    # By name: importing the class would import torch for commands that do not train.
    if type(error).__name__ == "Interrupted":
        return _complain(f"interrupted by {error}; the same command goes on from here", INTERRUPTED)
    log = getattr(error, "vgglab_log", None)
    if log is None:
        with tempfile.NamedTemporaryFile(
            "w", prefix="vgglab-", suffix=".log", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exception(error, file=file)
        log = file.name
    return _complain(f"{type(error).__name__}: {error} (traceback in {log})", FAILED)


def empty_choice(error: Exception) -> str | None:
    """What to say of ``model=null``, which Hydra trips over; None where it is another error."""
    if "Config group override must be a string or a list" not in str(error):
        return None
    groups = Path(os.environ["VGGLAB_ROOT"]) / "conf"
    for argument in sys.argv[1:]:
        group, _, choice = argument.partition("=")
        if choice == "null" and (groups / group).is_dir():
            names = sorted(path.stem for path in (groups / group).glob("*.yaml"))
            return f"{argument}: must be one of {', '.join(names)}"
    return "null is no choice of a config group; the choices are the files in its folder in conf/"


def explain_hydra(error: Exception) -> str:
    """One line for what Hydra says in several."""
    if isinstance(error, OverrideParseException):
        return f"{error.override}: not a Hydra override such as group=choice or field=value"
    text = str(error)
    if match := re.search(r"Could not override '([^']+)'\.?\s*No match in the defaults list", text):
        return f"{match[1]}: no such group or field; {unknown_field(match[1])}"
    if match := re.search(r"Could not override '([^']+)'", text):
        return f"{match[1]}: {unknown_field(match[1])}"
    if match := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, name = match[1], match[2]
        options = re.findall(r"^\t(\S+)$", text, flags=re.MULTILINE)
        return f"{group}={name}: must be one of {', '.join(options) or 'none yet'}"
    return text
