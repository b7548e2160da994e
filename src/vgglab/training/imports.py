"""Lightning without what torchmetrics loads for metrics that nobody asks for here."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

UNUSED = frozenset({"matplotlib", "scipy", "torchaudio", "torchvision", "transformers"})
"""What torchmetrics imports with itself where it is installed: for images, sound and text."""


def import_lightning() -> None:
    """Import Lightning as if ``UNUSED`` were not installed: a third less time.

    Lightning imports torchmetrics, which looks once what there is; who wants those packages imports
    them as ever. Does nothing where Lightning has been imported before.
    """
    if "torchmetrics" in sys.modules:
        return
    with _hidden():
        import pytorch_lightning  # noqa: F401


@contextlib.contextmanager
def _hidden() -> Iterator[None]:
    """While torchmetrics looks, ``UNUSED`` is not there."""
    from lightning_utilities.core import imports

    known: Any = imports  # attributes are replaced
    look = getattr(getattr(known, "RequirementCache", None), "_check_requirement", None)
    if look is None or not hasattr(known, "package_available"):  # a newer release: all is loaded
        yield
        return
    check, package_available = look, known.package_available

    def check_unless_unused(cache: Any) -> None:
        if known.Requirement(cache.requirement).name in UNUSED:
            cache.available, cache.message = False, "not looked for"
        else:
            check(cache)

    known.RequirementCache._check_requirement = check_unless_unused
    known.package_available = lambda name: name not in UNUSED and package_available(name)
    try:
        yield
    finally:
        known.RequirementCache._check_requirement = check
        known.package_available = package_available
