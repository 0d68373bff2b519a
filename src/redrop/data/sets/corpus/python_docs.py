"""The language reference that `help()` shows: the topics of `pydoc_data` of the running Python.

The raw file is all topics, sorted by key, joined by an empty line. Preparation keeps printable
ASCII and newlines (`ascii_rule`) and keeps a paragraph only where it first occurs: a fifth of the
text is there twice (`for` stands alone and within `compound`, say), and the last tenth, held out
for validation, must not be a copy of training text. Of what is left it takes the first third: this is
the demo's corpus, and scoring a long validation split would take longer there than training.
"""

from __future__ import annotations

from typing import Any

from redrop.data.ascii_rule import to_ascii
from redrop.data.corpus import Characters, InterpreterCorpus
from redrop.errors import DataError

CHARACTERS = 120_000
"""Whole paragraphs are taken until there are so many."""


def _change(text: str) -> tuple[str, dict[str, Any]]:
    text, changed = to_ascii(text)
    text, repeated = without_repeats(text)
    return text[: text.find("\n\n", CHARACTERS)], {**changed, "repeated_paragraphs": repeated}


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
            "`redrop fetch python_docs` with a complete Python, or choose another data set."
        ) from error
    text = "\n\n".join(topics[key] for key in sorted(topics))
    return text, f"pydoc_data.topics, {len(topics)} topics"


DATA_SET = InterpreterCorpus(
    name="python_docs",
    about="help topics of the running Python (its language reference), without download",
    license="PSF License Agreement",
    file="topics.txt",
    text=_topics,
    change=_change,
    size=Characters(108_586, 12_066, 92),  # of Python 3.11; it differs by version
)
