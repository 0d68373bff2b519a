"""Tiny Shakespeare, the character corpus of nanoGPT: 1,115,394 characters, 65 different ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from redrop.data.provenance import SourceRecord, write_source
from redrop.data.sources import RemoteFile, fetch_file

if TYPE_CHECKING:
    from redrop.data.corpus import Corpus

NAME = "tiny_shakespeare"
DESCRIPTION = "40,000 lines from Shakespeare's plays (Karpathy, char-rnn)"
LICENSE = "public domain"

SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TEXT = RemoteFile(
    name="tinyshakespeare.txt",
    url="https://raw.githubusercontent.com/karpathy/char-rnn/"
    "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
    sha256=SHA256,
    size=1115394,
    mirror=("char/tinyshakespeare.txt",),
    mirror_sha256=(SHA256,),
)


def fetch(folder: Path, mirror: Path | None) -> SourceRecord:
    """Leave tinyshakespeare.txt and source.json in `folder`; raises DataError when it cannot."""
    file = fetch_file(TEXT, folder, mirror)
    return write_source(folder, SourceRecord(NAME, "char-rnn", (file,)))


def prepare(raw_folder: Path, folder: Path) -> Corpus:
    """Encode the text, split nine to one as nanoGPT does; returns the Corpus."""
    from redrop.data.corpus import prepare_file

    return prepare_file(raw_folder, folder, name=NAME, file=TEXT.name)
