"""Raw text that the running Python brings along: no download, the edition is its version."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Callable
from pathlib import Path

from redrop.data.files import atomic_path
from redrop.data.provenance import FetchedFile, SourceRecord, complete_record, write_source


def fetch_text(name: str, file_name: str, folder: Path, make: Callable[[], tuple[str, str]]) -> SourceRecord:
    """Write the text that `make` returns, with what it was made from, unless it is there already.

    A complete folder is left alone even when another Python made it, so that a new interpreter
    does not change a corpus unnoticed: remove the folder to make it anew.
    """
    kept = complete_record(folder, name, (file_name,))
    if kept is not None:
        return kept
    text, address = make()
    raw = text.encode("utf-8")
    path = folder / file_name
    with atomic_path(path) as temporary:
        temporary.write_bytes(raw)
    sha256 = hashlib.sha256(raw).hexdigest()
    file = FetchedFile(path, sha256, "interpreter", len(raw), address)
    return write_source(folder, SourceRecord(name, edition(), (file,)))


def edition() -> str:
    """Implementation and version of the running Python, such as `CPython 3.11.7`."""
    return f"{platform.python_implementation()} {platform.python_version()}"
