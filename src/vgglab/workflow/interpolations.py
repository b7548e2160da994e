"""What a composed config refers to by ``${...}``: a field that is changed may change others."""

from __future__ import annotations

import re
from dataclasses import dataclass

REFERENCE = re.compile(r"\$\{([^{}$]*)")
"""The name in it, or a resolver and what stands before another one."""
PUT_TOGETHER = re.compile(r"\$\{[\w.]*\$\{")
"""A name that is made of others."""


@dataclass(frozen=True)
class Interpolations:
    """The references of one config, as its files and overrides write them."""

    texts: tuple[str, ...] = ()
    has_unknown: bool = False
    """Whether a name is put together, and may be any."""

    @classmethod
    def of(cls, written: str) -> Interpolations:
        """Those in a config's YAML before they are resolved."""
        return cls(tuple(REFERENCE.findall(written)), bool(PUT_TOGETHER.search(written)))

    def may_use(self, field: str) -> bool:
        """Whether anything may be made of a field, by its dotted name, or of a group it is in."""
        parts = field.split(".")
        for text in self.texts:
            words = re.findall(r"\w+", text)
            # Of a plain name all but the last word may be groups of other fields.
            read = words if ":" in text else words[-1:]
            if parts[-1] in words or not set(parts).isdisjoint(read):
                return True
        return self.has_unknown


NONE = Interpolations()
"""Of a config in which every value is written out."""
