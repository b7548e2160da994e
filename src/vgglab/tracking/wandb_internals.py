"""Every name of wandb and wandb_workspaces that is used here and that neither promises to keep.

Each function says why the public interface is not enough. Tested with the releases in ``TESTED``;
a name that another release lacks raises ``InternalGone``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import wandb

TESTED = {"wandb": "0.31.0", "wandb-workspaces": "0.4.13"}
"""Package -> release that these names were tested with."""
_JOB_INPUTS = "_detect_and_apply_job_inputs"
_PACKAGES = "working_set"


class InternalGone(Exception):
    """An installed release lacks a name that was found in the tested one."""

    def __init__(self, package: str, name: str) -> None:
        super().__init__(
            f"{package} {version(package)} has no {name}: vgglab was tested with "
            f"{package}=={TESTED[package]}"
        )


def _of_wandb(module: str, name: str) -> Any:
    return getattr(_wandb_module(module, name), name)


def _wandb_module(module: str, name: str) -> ModuleType:
    """A module that has the name."""
    try:
        found = importlib.import_module(module)
        getattr(found, name)
    except (ImportError, AttributeError):
        raise InternalGone("wandb", f"{module}.{name}") from None
    return found


def _checked(owner: Any, name: str) -> Any:
    """Return the owner if it has the attribute; to set a missing one would do nothing, silently."""
    if not hasattr(owner, name):
        raise InternalGone("wandb-workspaces", f"{type(owner).__name__}.{name}")
    return owner


def has_credentials(url: str) -> bool:
    """Whether there is an API key for a server. ``wandb.login`` would ask for one on a terminal."""
    authenticate_session = _of_wandb("wandb.sdk.lib.wbauth", "authenticate_session")
    try:
        found = authenticate_session(host=url, source="vgglab", prompt=False, update_session=False)
    except wandb.errors.Error:
        return False  # there is one, in a form that no key has
    return found is not None


def own_media_folder() -> None:
    """Make the folder through which images and tables go to W&B's service this process's own.

    W&B makes one when it is loaded, and the first fork of that process that ends removes it.
    """
    media = _of_wandb("wandb.sdk.data_types._private", "MEDIA_TMP")
    type(media).__init__(media, "wandb-media")


def spare_launch() -> None:
    """Spare ``wandb.init`` the import of W&B Launch, half a second, in a process that has staged
    no inputs for a job of it: without Launch there can be none. No setting turns it off."""
    if not hasattr(wandb.Run, _JOB_INPUTS):
        return  # a release that does not ask for them
    asked = getattr(wandb.Run, _JOB_INPUTS)

    def where_there_may_be_some(run: wandb.Run) -> None:
        if "wandb.sdk.launch.inputs.internal" in sys.modules:
            asked(run)

    if asked.__name__ == _JOB_INPUTS:
        setattr(wandb.Run, _JOB_INPUTS, where_there_may_be_some)


def remember_packages() -> None:
    """Look up once what is installed, for all forks of this process: each run of W&B looks it up
    anew, which takes a third of a second."""
    util = _wandb_module("wandb.util", _PACKAGES)
    installed = list(getattr(util, _PACKAGES)())
    setattr(util, _PACKAGES, lambda: iter(installed))


@contextlib.contextmanager
def files_uncopied() -> Iterator[None]:
    """Have ``log_code`` upload files from where they lie: it copies each one and has no argument
    for the policy of the artifact that it makes."""
    add = wandb.Artifact.add_file
    as_they_lie = functools.partialmethod(add, policy="immutable")
    wandb.Artifact.add_file = as_they_lie  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        wandb.Artifact.add_file = add  # type: ignore[method-assign]


def staging_folder() -> Path:
    """The folder of copies that W&B uploads and then removes, one by one."""
    return Path(_of_wandb("wandb.sdk.artifacts.staging", "get_staging_dir")())


def empty_record() -> Any:
    """Return a protobuf record to parse W&B's own file with. W&B has no reader in Python."""
    return _of_wandb("wandb.proto.wandb_internal_pb2", "Record")()


def specification(view: Any) -> Any:
    """Return the JSON model of a workspace or report. They can only be saved to a server."""
    return _checked(view, "_to_model")._to_model().spec


def set_saved_workspace(workspace: Any, name: str, number: str) -> None:
    """Make a workspace the one that was saved before; publicly, it must be loaded from a server.

    Args:
        workspace: A ``ws.Workspace``.
        name: The name that W&B gave to the saved view; empty for a new one.
        number: The id of the saved view; empty for a new one.
    """
    _checked(workspace, "_internal_name")._internal_name = name
    _checked(workspace, "_internal_id")._internal_id = number


def saved_workspace(workspace: Any) -> tuple[str, str]:
    """Return the name and the id that a workspace was saved under."""
    name: str = _checked(workspace, "_internal_name")._internal_name
    number: str = _checked(workspace, "_internal_id")._internal_id
    return name, number


def set_runset_id(workspace: Any, name: str) -> None:
    """Fix the id of a workspace's runs, which is random, so that it is written the same."""
    _checked(workspace, "_internal_runset_id")._internal_runset_id = name


def set_id(part: Any, name: str) -> None:
    """Fix the id of a panel or runset, which is random, so that it is written the same."""
    _checked(part, "_id")._id = name
