"""``hydra/sweeper=designs``: hands the launcher the points of a study, in the study's design.

In place of Hydra's basic sweeper, which knows the full grid alone and composes every point of it
before the launcher does.
"""

# No annotations of the future here: Hydra loads plugins in a way in which a dataclass cannot
# look its own up.
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from vgglab.config.parse import ConfigError
from vgglab.data.errors import DataError
from vgglab.runs.atomic import write_text


class DesignSweeper(Sweeper):
    """Makes the points of a study of the values that its sweep and the command list."""

    launcher: Launcher

    def __init__(self, params: DictConfig | None) -> None:
        self._params: dict[Any, Any] = dict(params or {})

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Make the launcher.

        Args:
            hydra_context: Hydra's loader and callbacks.
            task_function: The application.
            config: The composed config.
        """
        self.hydra_context, self.config = hydra_context, config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: Sequence[str]) -> Any:
        """Hand all points of the command with these overrides to the launcher, at once."""
        # Hydra loads every plugin at the start of every command; most need no design.
        from vgglab.workflow.compose import MULTIRUN
        from vgglab.workflow.designs import designed
        from vgglab.workflow.places import refuse_unwritable_studies

        assert self.config is not None
        points = designed([f"{key}={value}" for key, value in self._params.items()], arguments)
        folder = Path(self.config.hydra.sweep.dir)
        refuse_unwritable_studies(str(self.config.paths.studies), folder)
        with _record(folder / MULTIRUN, self.config):
            return [self.launcher.launch(points, initial_job_idx=0)]


@contextmanager
def _record(path: Path, config: DictConfig) -> Iterator[None]:
    """Write the command's config, as Hydra's own sweeper does; not that of a refused command."""
    made = [folder for folder in (path.parent, *path.parent.parents) if not folder.exists()]
    before = path.read_text(encoding="utf-8", errors="replace") if path.exists() else None
    write_text(path, OmegaConf.to_yaml(config))
    try:
        yield
    except (ConfigError, DataError, HydraException, OmegaConfBaseException, YAMLError):
        if before is not None:
            write_text(path, before)
        else:
            path.unlink(missing_ok=True)
        with suppress(OSError):  # something else is in it
            for folder in made:
                folder.rmdir()
        raise


@dataclass
class DesignSweeperConf:
    """The sweeper's config node: as that of Hydra's own."""

    _target_: str = f"{__name__}.{DesignSweeper.__name__}"
    params: dict[str, str] | None = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="designs", node=DesignSweeperConf, provider="vgglab"
)
