"""Getting a raw file: what is already there, then a mirror folder, then the original address.

A mirror's files are checked against the mirror's own SHA256SUMS, downloads against the pinned sum.
Without a pinned sum a file must first parse as its type, because a file host may answer with a web
page; then its sum is recorded. Files on the Hugging Face hub are asked of the hub that HF_ENDPOINT names.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import urljoin, urlsplit

from redrop.atomic import replacing
from redrop.data.files import CHUNK_BYTES, sha256_file
from redrop.data.source_record import FetchedFile, note_file, noted_file, recorded_file
from redrop.errors import ConfigError, DataError

HUB = "https://huggingface.co"
MIRROR_SUMS = "SHA256SUMS"
MAX_BYTES = 512 * 2**20
TIMEOUT_S = 60.0
RETRY_PAUSES_S = (1.0, 4.0)

Check = Callable[[Path], None]
"""Raises DataError when the file at the path does not parse as its type."""


@dataclass(frozen=True)
class RemoteFile:
    """One raw file and the places to get it from."""

    name: str
    """File name in the raw folder, without any folder part."""
    url: str
    """Original address, https, with a pinned revision."""
    sha256: str | None = None
    """Pinned sum of the download; None when none is published."""
    size: int | None = None
    """Bytes of the download, where known; a longer answer is cut off."""
    mirror: tuple[str, ...] = ()
    """Paths inside a mirror folder, with `/`, the preferred one first."""
    mirror_sha256: tuple[str, ...] = ()
    """Sums that a mirror's copy may have; empty: any that the mirror's SHA256SUMS confirms."""
    split: str = "train"
    """Which split's rows it holds, where a file holds those of one."""

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme != "https":
            raise ValueError(f"{self.name}: the address must be https, got {self.url!r}")
        if self.name in ("", ".", "..") or "/" in self.name or "\\" in self.name:
            raise ValueError(f"a raw file's name has no folder part, got {self.name!r}")
        for path in map(PurePosixPath, self.mirror):
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{self.name}: mirror path {str(path)!r} leaves the mirror")

    def may_be(self, found: FetchedFile) -> bool:
        """Whether a file that was fetched earlier has a sum that it would be let through with today."""
        if found.sha256 in (self.sha256, *self.mirror_sha256):
            return True
        return not self.mirror_sha256 and (self.sha256 is None or found.origin == "mirror")

    @property
    def known_size(self) -> int | None:
        """Bytes of a download, or None: a size without a pinned sum is only the most that is let through."""
        return self.size if self.sha256 is not None else None

    @property
    def address(self) -> str:
        """What is asked for the file: `url`, or the same place of the hub that is used."""
        return hub() + self.url.removeprefix(HUB) if self.url.startswith(f"{HUB}/") else self.url


def hub_file(
    place: str, mirror: str, sha256: str | None = None, size: int | None = None, split: str = "train"
) -> RemoteFile:
    """A file at `owner/name/resolve/<commit>/<path>` of the hub; mirrors have it in the folder `mirror`."""
    name = PurePosixPath(place).name
    sums = () if sha256 is None else (sha256,)
    return RemoteFile(name, f"{HUB}/datasets/{place}", sha256, size, (f"{mirror}/{name}",), sums, split)


def hub() -> str:
    """Address of the Hugging Face hub: HF_ENDPOINT, as for models; raises ConfigError where that is none."""
    asked = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or HUB
    parts = urlsplit(asked)
    if parts.scheme not in ("https", "http") or not parts.netloc:
        raise ConfigError(f"HF_ENDPOINT: {asked!r} is no address; give one such as {HUB}, or unset it")
    return asked


def in_mirror(file: RemoteFile, mirror: Path | None) -> bool:
    """Whether the mirror has the file."""
    return mirror is not None and any((mirror / path).is_file() for path in file.mirror)


def has_all(files: Iterable[RemoteFile], mirror: Path | None) -> bool:
    """Whether the mirror has all of them."""
    return all(in_mirror(file, mirror) for file in files)


def fetch_file(
    remote: RemoteFile, folder: Path, mirror_root: Path | None, check: Check | None = None
) -> FetchedFile:
    """Put `remote` into `folder`, checked, and say where it came from.

    `check` parses the file as its type; it is needed when no sum is pinned. Raises DataError; then nothing
    stands in `folder` under the file's name that was not there before.
    """
    if remote.sha256 is None and check is None:
        raise ValueError(f"{remote.name} has no pinned sum, so it needs a check")
    found = _kept(remote, folder) or _from_mirror(remote, folder, mirror_root, check)
    return found or _from_address(remote, folder, mirror_root, check)


def _kept(remote: RemoteFile, folder: Path) -> FetchedFile | None:
    """The file in `folder`, when its sum is the recorded one or, without a record, a known one."""
    path = folder / remote.name
    if not path.is_file():
        return None
    actual = sha256_file(path)
    for record in (recorded_file(folder, remote.name), noted_file(folder, remote.name)):
        if record is not None and record.sha256 == actual and remote.may_be(record):
            return record
    if actual in (remote.sha256, *remote.mirror_sha256):
        return FetchedFile(path, actual, "found", path.stat().st_size, remote.url)
    return None


def _from_mirror(
    remote: RemoteFile, folder: Path, root: Path | None, check: Check | None
) -> FetchedFile | None:
    """A copy of the mirror's file, or None when there is no mirror or it has no such file."""
    if root is None:
        return None
    if not root.is_dir():
        remedy = "point REDROP_MIRROR (or `mirror:` in the config) at a folder, or unset it to download"
        raise DataError(f"the mirror folder {root} does not exist: {remedy}.")
    relative = next((path for path in remote.mirror if (root / path).is_file()), None)
    if relative is None:
        return None
    source, path = root / relative, folder / remote.name
    expected = _mirror_sums(root).get(relative)
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)
        # The copy is what is hashed and kept, so a mirror that changes meanwhile cannot slip by.
        actual = sha256_file(temporary)
        _confirm_mirror_copy(remote, source, expected, actual)
        if check is not None and remote.sha256 is None:
            _parse(check, temporary, f"{source} (from the mirror)")
        return note_file(FetchedFile(path, actual, "mirror", temporary.stat().st_size, relative))


def _confirm_mirror_copy(remote: RemoteFile, source: Path, expected: str | None, actual: str) -> None:
    if expected is None:
        raise DataError(
            f"{source} is not listed in the mirror's {MIRROR_SUMS} (expected sha256: none listed, "
            f"actual {actual}). If you trust the file, list it: run `sha256sum` on it in the "
            "mirror folder and add the line; otherwise remove it to download instead."
        )
    if expected != actual:
        raise DataError(
            f"{source} does not match the mirror's {MIRROR_SUMS}: expected sha256 {expected}, "
            f"actual {actual}. Copy the file into the mirror again, or remove it to download."
        )
    if remote.mirror_sha256 and actual not in remote.mirror_sha256:
        raise DataError(
            f"{source} is an edition of {remote.name} that is not known here: expected sha256 "
            f"{' or '.join(remote.mirror_sha256)}, actual {actual}. Put a known edition into the "
            "mirror, or remove the file to download."
        )


def _mirror_sums(root: Path) -> dict[str, str]:
    """Path inside the mirror -> sha256, from lines such as `<hex>  ./char/x.txt`."""
    listing = root / MIRROR_SUMS
    if not listing.is_file():
        return {}
    sums = {}
    for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, path = line.strip().partition(" ")
        # `sha256sum` marks files read in binary mode by a star before the name.
        sums[path.strip().removeprefix("*").removeprefix("./")] = digest.lower()
    return sums


def _from_address(remote: RemoteFile, folder: Path, root: Path | None, check: Check | None) -> FetchedFile:
    """The file from its original address; raises DataError when it cannot be had or is wrong."""
    path = folder / remote.name
    with replacing(path) as temporary:
        _download(remote, temporary, root)
        actual = sha256_file(temporary)
        if remote.sha256 is not None and actual != remote.sha256:
            raise DataError(
                f"{remote.name} from {remote.address} has the wrong checksum: expected sha256 "
                f"{remote.sha256}, actual {actual}. The download was discarded. Try again; if it "
                f"stays wrong, the address serves another file. {_by_hand(remote, root)}"
            )
        if remote.sha256 is None:
            _parse(check, temporary, f"{remote.name} from {remote.address}")
        return note_file(FetchedFile(path, actual, "download", temporary.stat().st_size, remote.address))


def _parse(check: Check | None, path: Path, what: str) -> None:
    assert check is not None  # fetch_file asks for one
    try:
        check(path)
    except DataError as error:
        raise DataError(f"{what} is not the file it should be: {error}") from error


def _download(remote: RemoteFile, path: Path, root: Path | None) -> None:
    """Stream the address into `path`, trying again when the connection or the server fails."""
    import pooch
    import requests

    options = {"progressbar": sys.stderr.isatty(), "chunk_size": CHUNK_BYTES, "timeout": TIMEOUT_S}
    downloader = pooch.HTTPDownloader(**options, hooks={"response": _refuse_plain_http})
    limit = remote.size if remote.size is not None else MAX_BYTES
    for pause in (*RETRY_PAUSES_S, None):
        try:
            with path.open("wb") as stream:
                downloader(remote.address, _Limited(stream, limit, remote), None)
            return
        except (requests.RequestException, ConnectionError, TimeoutError) as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            reason = f"the server answered {status}" if status else f"no connection ({type(error).__name__})"
            # 4xx will be the answer next time, too, but for `too many requests`.
            if pause is None or (status is not None and 400 <= status < 500 and status != 429):
                raise DataError(
                    f"cannot get {remote.name} from {remote.address}: {reason}. {_by_hand(remote, root)}"
                ) from error
            time.sleep(pause)


def _by_hand(remote: RemoteFile, root: Path | None) -> str:
    """How to provide the file without a network."""
    mirror = "MIRROR" if root is None else str(root)
    places = " or ".join(f"{mirror}/{path}" for path in remote.mirror)
    if not places:
        return "Run the same command again where the address can be reached."
    return (
        f"Without a network: put the file at {places}, list its sum in {mirror}/{MIRROR_SUMS} "
        f"(`sha256sum`), set REDROP_MIRROR={mirror} and run the same command again."
    )


def _refuse_plain_http(response: object, *_args: object, **_kwargs: object) -> None:
    """A hook of requests: an https address must not lead to a plain http one."""
    target = urljoin(response.url, response.headers.get("location", ""))
    schemes = urlsplit(response.url).scheme, urlsplit(target).scheme
    if response.is_redirect and schemes[0] == "https" != schemes[1]:
        raise DataError(f"{response.url} leads to {target}, which is not https: refused.")


class _Limited:
    """A stream that refuses to grow past a limit, since a server may send without end."""

    def __init__(self, stream: BinaryIO, limit: int, remote: RemoteFile) -> None:
        self._stream = stream
        self._left = limit
        self._message = (
            f"{remote.name} from {remote.address} is longer than the {limit} bytes it should have at "
            "most: the address serves another file. The download was discarded."
        )

    def write(self, chunk: bytes) -> int:
        self._left -= len(chunk)
        if self._left < 0:
            raise DataError(self._message)
        return self._stream.write(chunk)

    def flush(self) -> None:
        self._stream.flush()
