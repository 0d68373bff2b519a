"""Members of archives, read into memory: nothing is ever unpacked onto the disk.

An archive is refused when a member's path, or what a link points at, lies outside the archive's own
folder, when it holds anything but files, folders and links, or when it has too many members or bytes.
A link that stays inside is passed over, unless it is what is asked for; in a zip every link is refused.
"""

from __future__ import annotations

import gzip
import io
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from redrop.data.files import CHUNK_BYTES
from redrop.errors import DataError

MAX_MEMBER_BYTES = 256 * 2**20
MAX_TOTAL_BYTES = 4 * 2**30
MAX_MEMBERS = 20_000

_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)
"""What the standard library raises for a file that is no archive, or a damaged or encrypted one."""


def read_tar(archive: Path | bytes, wanted: Collection[str], what: str, remedy: str) -> dict[str, bytes]:
    """The members of a gzipped tar archive whose file names, without folders, are in `wanted`.

    `archive` is a path or the bytes themselves, `what` names it in errors, and `remedy` ends them: the
    command to type. It is read to its end, so that its checksum is tested. Raises DataError when it is
    no such archive, is refused (see above), lacks a wanted member or has two of one name.
    """
    found: dict[str, bytes] = {}
    source = io.BytesIO(archive) if isinstance(archive, bytes) else archive
    with (
        _reading(what, "a gzipped tar archive", remedy),
        gzip.open(source) as stream,
        tarfile.open(fileobj=stream, mode="r:") as tar,
    ):
        total = 0
        for number, member in enumerate(tar, 1):
            total += member.size
            _check_size(number, total)
            _check_inside(member.name)
            is_link = member.issym() or member.islnk()
            if is_link:
                # A hard link is named from the archive's root, a symbolic one from its own folder.
                start = posixpath.dirname(member.name) if member.issym() else ""
                _check_inside(posixpath.normpath(posixpath.join(start, member.linkname)))
            elif not member.isfile() and not member.isdir():
                raise _Refused(f"{member.name!r} is no plain file")
            name = PurePosixPath(member.name).name
            if name in wanted and not member.isdir():
                if is_link:
                    raise _Refused(f"{member.name!r} is a link")
                _check_member(name, member.size, found)
                found[name] = tar.extractfile(member).read()
        while chunk := stream.read(CHUNK_BYTES):
            total += len(chunk)
            _check_size(0, total)
    return _complete(found, wanted, what, remedy)


def read_zip(archive: Path, wanted: Collection[str], what: str, remedy: str) -> dict[str, bytes]:
    """The same for a zip archive; only the wanted members are unpacked, and their checksums tested."""
    found: dict[str, bytes] = {}
    with _reading(what, "a zip archive", remedy), zipfile.ZipFile(archive) as members:
        total = 0
        for number, member in enumerate(members.infolist(), 1):
            total += member.file_size
            _check_size(number, total)
            _check_inside(member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                raise _Refused(f"{member.filename!r} is a link")
            name = PurePosixPath(member.filename).name
            if name in wanted and not member.is_dir():
                _check_member(name, member.file_size, found)
                with members.open(member) as stream:
                    found[name] = stream.read()
    return _complete(found, wanted, what, remedy)


def read_gzip(path: Path, what: str, remedy: str) -> bytes:
    """The content of a gzipped file; raises DataError when it is none, is damaged or is too large."""
    with _reading(what, "a gzipped file", remedy), gzip.open(path) as stream:
        content = stream.read(MAX_MEMBER_BYTES + 1)
        _check_member("the content", len(content), {})
    return content


class _Refused(Exception):
    """Why an archive is refused, without the name of the archive."""


@contextmanager
def _reading(what: str, kind: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except _Refused as error:
        raise DataError(f"{what} is refused: {error}. {remedy}") from error
    except _DAMAGE as error:
        raise DataError(f"{what} cannot be read as {kind} ({error}). {remedy}") from error


def _check_inside(name: str) -> None:
    # Windows' rules know both slashes and drive letters, so this refuses what either system would.
    path = PureWindowsPath(name)
    if path.drive or path.root or ".." in path.parts:
        raise _Refused(f"{name!r} leads out of its folder")


def _check_size(number: int, total: int) -> None:
    if number > MAX_MEMBERS:
        raise _Refused(f"it has more than {MAX_MEMBERS:,} members")
    if total > MAX_TOTAL_BYTES:
        raise _Refused(f"it unpacks to more than {MAX_TOTAL_BYTES:,} bytes")


def _check_member(name: str, size: int, found: Mapping[str, bytes]) -> None:
    if name in found:
        raise _Refused(f"it holds {name!r} twice")
    if size > MAX_MEMBER_BYTES:
        raise _Refused(f"{name!r} unpacks to more than {MAX_MEMBER_BYTES:,} bytes")


def _complete(found: dict[str, bytes], wanted: Collection[str], what: str, remedy: str) -> dict[str, bytes]:
    missing = [name for name in wanted if name not in found]
    if missing:
        raise DataError(f"{what} has no {', '.join(missing)}. {remedy}")
    return found
