"""Lightning without the packages that torchmetrics loads for metrics that nothing here uses."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from typing import Any

UNUSED = frozenset({"matplotlib", "scipy", "torchaudio", "torchvision", "transformers"})
"""Packages that torchmetrics imports where they are installed: for images, sound and text."""


def import_lightning() -> None:
    """Import Lightning as if ``UNUSED`` were not installed, in two thirds of the time.

    Lightning imports torchmetrics, which looks once for those packages; other code that needs them
    imports them as usual. Does nothing where torchmetrics has been imported before.
    """
    if "torchmetrics" in sys.modules:
        return
    with _hidden():
        import pytorch_lightning  # noqa: F401
    from lightning_utilities.core.imports import module_available, package_available

    for remembered in (module_available, package_available):
        getattr(remembered, "cache_clear", lambda: None)()


class _Without:
    """A finder of ``sys.meta_path`` that finds no modules and no metadata of some packages."""

    def __init__(self, finder: Any, hidden: frozenset[str]) -> None:
        self._finder, self._hidden = finder, hidden

    def find_spec(self, name: str, *arguments: Any) -> ModuleSpec | None:
        """The wrapped finder's spec of a module; None for the hidden ones."""
        if name.partition(".")[0] in self._hidden:
            return None
        spec: ModuleSpec | None = self._finder.find_spec(name, *arguments)
        return spec

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterable[Distribution]:
        """The wrapped finder's distributions, if it has any; none for the hidden ones."""
        context = context or DistributionFinder.Context()
        find = getattr(self._finder, "find_distributions", None)
        if find is None or context.name in self._hidden:
            return ()
        found: Iterable[Distribution] = find(context)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


@contextlib.contextmanager
def _hidden() -> Iterator[None]:
    """Hide ``UNUSED`` from imports and from queries of installed versions.

    A package that is loaded already would be found without its parts: it stays in sight.
    """
    before, hidden = sys.meta_path[:], UNUSED - sys.modules.keys()
    sys.meta_path[:] = [_Without(finder, hidden) for finder in before]
    try:
        yield
    finally:
        # A finder that was added meanwhile stays.
        added = [finder for finder in sys.meta_path if not isinstance(finder, _Without)]
        sys.meta_path[:] = [*added, *before]
