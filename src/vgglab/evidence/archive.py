"""The bundle as a file: a zip whose bytes follow from its members alone, and its one reader.

Members are stored, not compressed: their compressed bytes would hang on the version of zlib, and a
zip without compression cannot hold more than it weighs. What is large, predictions, is compressed
by itself.
"""

from __future__ import annotations

import errno
import hashlib
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from vgglab.evidence import certificate as certificates
from vgglab.evidence.certificate import Certificate, Member, PrintedWord, WrittenBy
from vgglab.study.stored import STUDY

Content = bytes | Path
"""Of a member: itself, or the file that holds it."""

_PART = r"[A-Za-z0-9][A-Za-z0-9_.+=,@-]{0,200}"
"""A component of a name: no ``..``, no hidden file, no separator of another system."""
_NAMES = re.compile(
    rf"{certificates.NAME}"
    rf"|studies/{_PART}/(study\.json|claims\.json|(declared|looks|looks_control)\.jsonl|report\.(md|html))"
    rf"|runs/{_PART}/(config\.yaml|(status|result|verify)\.json|metrics\.jsonl)"
    rf"|runs/{_PART}/predictions/{_PART}\.parquet"
)
"""Every name that a bundle may have."""
_DAMAGE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,  # of a version or a method that zipfile does not know
    OSError,  # a seek to where nothing is; of this machine's disk it is not
    OverflowError,
    RuntimeError,  # it claims to be encrypted
    ValueError,
)
"""What ``zipfile`` raises on bytes that are no whole zip."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
_PIECE = 1 << 20


class BrokenBundle(Exception):
    """A bundle that is not what was written; the message is one line and names the member."""


def write_bundle(
    path: Path,
    members: Mapping[str, Content],
    *,
    study: str,
    words: Sequence[PrintedWord],
    written_by: WrittenBy,
) -> str:
    """Write a bundle, in one step.

    The same members, words and program give the same bytes.

    Args:
        path: of the zip; what is there is replaced.
        members: name -> content.
        study: its name.
        words: as printed.
        written_by: this program.

    Returns:
        The sha256 of the file.

    Raises:
        ValueError: a member's name is none that a bundle may have.
    """
    if wrong := [name for name in members if not _NAMES.fullmatch(name)]:
        raise ValueError(f"{wrong[0]}: no name of a bundle's member")
    listed = {name: _member(members[name]) for name in sorted(members)}
    text = certificates.certificate(study, words, written_by, listed)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    try:
        _write_zip(temporary, {certificates.NAME: text, **{n: members[n] for n in listed}})
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return digest_of(path)


def _write_zip(path: Path, members: Mapping[str, Content]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # or the bytes would say on which system it was written
            info.external_attr = 0o644 << 16
            info.file_size = content.stat().st_size if isinstance(content, Path) else len(content)
            with archive.open(info, "w") as member:
                if isinstance(content, Path):
                    with content.open("rb") as file:
                        shutil.copyfileobj(file, member, _PIECE)
                else:
                    member.write(content)


def digest_of(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _member(content: Content) -> Member:
    if isinstance(content, Path):
        return {"sha256": digest_of(content), "bytes": content.stat().st_size}
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def unpack(path: Path, folder: Path) -> Certificate:
    """Check every byte of a bundle and write its members below a folder.

    Args:
        path: of the zip.
        folder: an empty one; nothing is written outside of it.

    Raises:
        BrokenBundle: it is no whole zip, a member was changed, is missing, or was added, or the
            bytes around the members are not those that were written.
        FileNotFoundError: there is no such file.
    """
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                infos = archive.infolist()
                found = _checked(archive, infos, path.stat().st_size)
                for name, listed in found["members"].items():
                    _extract(archive, name, listed, folder / name)
        except BrokenBundle as error:
            raise BrokenBundle(f"{path}: {error}") from error
        except _DAMAGE as error:
            _refuse_own_trouble(error)
            raise BrokenBundle(f"{path}: no whole zip ({_reason(error)})") from error
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        again = Path(scratch) / "again.zip"
        text = certificates.certificate(
            found["study"], found["words"], found["written_by"], found["members"]
        )
        names = found["members"]
        _write_zip(again, {certificates.NAME: text, **{name: folder / name for name in names}})
        if digest_of(again) != digest_of(path):
            raise BrokenBundle(f"{path}: the zip's own bytes, around its members, were changed")
    return found


def _checked(archive: zipfile.ZipFile, infos: Sequence[zipfile.ZipInfo], size: int) -> Certificate:
    """The certificate, once the names and sizes of all members are as it lists them."""
    names = [info.filename for info in infos]
    for info in infos:
        name = info.filename
        if not _NAMES.fullmatch(name):
            raise BrokenBundle(f"{name!r}: was added; no bundle has a file of such a name")
        if names.count(name) > 1:
            raise BrokenBundle(f"{name}: is there twice")
        if info.compress_type != zipfile.ZIP_STORED:
            raise BrokenBundle(f"{name}: is compressed, and no member of a bundle is")
        if info.file_size > size:
            raise BrokenBundle(f"{name}: claims to be larger than the bundle")
    if certificates.NAME not in names:
        raise BrokenBundle(f"{certificates.NAME}: is missing")
    try:
        with _named(certificates.NAME):
            found = certificates.read_certificate(archive.read(certificates.NAME))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BrokenBundle(f"{certificates.NAME}: was changed ({_reason(error)})") from error
    for name in (*found["members"], f"studies/{found['study']}/{STUDY}"):
        if name not in names:
            raise BrokenBundle(f"{name}: is missing")
    for name in names:
        if name not in found["members"] and name != certificates.NAME:
            raise BrokenBundle(f"{name}: was added")
    return found


def _extract(archive: zipfile.ZipFile, name: str, listed: Member, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with to.open("xb") as file:
        for piece in _pieces(archive, name):
            digest.update(piece)
            size += len(piece)
            if size > listed["bytes"]:
                break
            file.write(piece)
    if (digest.hexdigest(), size) != (listed["sha256"], listed["bytes"]):
        raise BrokenBundle(f"{name}: was changed")


def _pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with _named(name):
        member: IO[bytes]
        with archive.open(name) as member:
            while piece := member.read(_PIECE):
                yield piece


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Say of damage which member it is in."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, ValueError) and name == certificates.NAME:
            raise
        _refuse_own_trouble(error)
        raise BrokenBundle(f"{name}: was changed ({_reason(error)})") from error


def _refuse_own_trouble(error: BaseException) -> None:
    """Raise what this machine is to blame for, such as a full disk, as it is."""
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        raise error


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
