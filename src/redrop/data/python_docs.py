"""The language reference that `help()` shows: the topics of `pydoc_data` of the running Python.

The raw file is all topics, sorted by key, joined by an empty line. Preparation keeps printable
ASCII and newlines (`ascii_rule`) and keeps a paragraph only where it first occurs: a fifth of the
text is there twice (`for` stands alone and within `compound`, say), and the last tenth, held out
for validation, must not be a copy of training text. Of what is left it takes the first third: this is
the demo's corpus, and scoring a long validation split would take longer there than training.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from redrop.data.interpreter import fetch_text
from redrop.data.provenance import SourceRecord
from redrop.errors import DataError

if TYPE_CHECKING:
    from redrop.data.corpus import Corpus

NAME = "python_docs"
DESCRIPTION = "help topics of the running Python (its language reference), without download"
LICENSE = "PSF License Agreement"

TEXT_FILE = "topics.txt"
CHARACTERS = 120_000
"""Whole paragraphs are taken until there are so many."""


def fetch(folder: Path, mirror: Path | None) -> SourceRecord:
    """Leave topics.txt and source.json in `folder`; `mirror` is not needed."""
    return fetch_text(NAME, TEXT_FILE, folder, _topics)


def prepare(raw_folder: Path, folder: Path) -> Corpus:
    """Encode the topics, split nine to one; returns the Corpus."""
    from redrop.data.ascii_rule import to_ascii
    from redrop.data.corpus import prepare_file

    def change(text: str) -> tuple[str, dict[str, Any]]:
        text, changed = to_ascii(text)
        text, repeated = without_repeats(text)
        return text[: text.find("\n\n", CHARACTERS)], {**changed, "repeated_paragraphs": repeated}

    return prepare_file(raw_folder, folder, name=NAME, file=TEXT_FILE, change=change)


def without_repeats(text: str) -> tuple[str, int]:
    """`text` without the paragraphs that occurred before, and how many those were.

    A paragraph ends at an empty line; two are the same when they differ in white space at most.
    """
    seen: set[str] = set()
    kept = []
    paragraphs = text.split("\n\n")
    for paragraph in paragraphs:
        content = " ".join(paragraph.split())
        if content not in seen:
            seen.add(content)
            kept.append(paragraph)
    return "\n\n".join(kept), len(paragraphs) - len(kept)


def _topics() -> tuple[str, str]:
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise DataError(
            "this Python has no pydoc_data, which some distributions leave out: run "
            f"`redrop fetch {NAME}` with a complete Python, or choose another data set."
        ) from error
    text = "\n\n".join(topics[key] for key in sorted(topics))
    return text, f"pydoc_data.topics, {len(topics)} topics"
