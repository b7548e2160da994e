"""``certificate.json`` of a bundle: what its members are, and what it was written by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from vgglab.runs.atomic import as_json
from vgglab.runs.identity import canonical_json

NAME = "certificate.json"
VERSION = 1


class Member(TypedDict):
    """A file of the bundle."""

    sha256: str
    bytes: int


class PrintedWord(TypedDict):
    """A word of ``claims.json``."""

    claim: str
    """With its setting, as ``study.ledger.claim_key`` names it."""
    word: str


class WrittenBy(TypedDict):
    """The program that made the bundle."""

    commit: str
    """Of vgglab's checkout, with ``+changes`` if files differed from it; empty outside git."""
    source: str
    """Hash of the source that computes."""
    versions: dict[str, str]
    """Of Python and the libraries; those of each run are in its ``status.json``."""


class Certificate(TypedDict):
    """Contents of ``certificate.json``."""

    version: int
    study: str
    words: list[PrintedWord]
    written_by: WrittenBy
    members: dict[str, Member]
    seal: str
    """sha256 of the rest, in canonical JSON."""


def certificate(
    study: str,
    words: Sequence[PrintedWord],
    written_by: WrittenBy,
    members: Mapping[str, Member],
) -> bytes:
    """The text of a certificate.

    Args:
        study: its name.
        words: as printed.
        written_by: this program.
        members: name -> what it is; in the order of the bundle.
    """
    content: dict[str, Any] = {
        "version": VERSION,
        "study": study,
        "words": list(words),
        "written_by": written_by,
        "members": dict(members),
    }
    return as_json({**content, "seal": _seal(content)}).encode()


def read_certificate(text: bytes) -> Certificate:
    """The certificate of a text.

    Raises:
        ValueError: it is none of ours, or was changed after it was sealed.
    """
    found: Any = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    seal = found.pop("seal", None)
    if seal != _seal(found) or as_json({**found, "seal": seal}).encode() != text:
        raise ValueError("it does not carry its own seal")
    if found["version"] != VERSION:
        raise ValueError(f"of version {found['version']}, and this program reads {VERSION}")
    read: Certificate = {**found, "seal": seal}  # type: ignore[typeddict-item]
    return read


def _seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()
