"""One rule that brings a text to printable ASCII and newlines, and counts what it changed.

It keeps the vocabulary of interpreter texts below a hundred characters whatever names and symbols
a Python version's documentation or sources hold.
"""

from __future__ import annotations

REPLACEMENTS = {
    "\r\n": "\n",
    "\t": "    ",
    "\u00a0": " ",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2013": "-",
    "\u2014": "--",
    "\u2026": "...",
}
"""What is written in another way; every other character outside the rule is dropped."""


def to_ascii(text: str) -> tuple[str, dict[str, int]]:
    """`text` in printable ASCII and newlines, with the counts `replaced` and `dropped`."""
    replaced = 0
    for old, new in REPLACEMENTS.items():
        replaced += text.count(old)
        text = text.replace(old, new)
    kept = "".join(c for c in text if c == "\n" or " " <= c <= "~")
    return kept, {"replaced": replaced, "dropped": len(text) - len(kept)}
