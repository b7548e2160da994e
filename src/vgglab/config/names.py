"""Config fields whose value names a row of a registry."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def one_of(names: Collection[str]) -> AfterValidator:
    """Accepts the names that are in a registry when the value is checked.

    The message is that of a ``Literal``, so that ``parse`` names the field and the value.
    """

    def check(value: str) -> str:
        if value in names:
            return value
        *others, last = (repr(name) for name in names)
        allowed = f"{', '.join(others)} or {last}" if others else last
        raise PydanticCustomError("name", "Input should be {allowed}", {"allowed": allowed})

    return AfterValidator(check)
