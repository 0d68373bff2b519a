"""Directions of translation: which parallel text each reads, from which language, into which.

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Direction:
    """A task of translation."""

    data_set: str
    """The parallel text, see `redrop.data.translation`; both of its directions share it."""
    source: str
    """Language code of the input."""
    target: str
    """Language code of the output."""

    @property
    def name(self) -> str:
        """Such as `iwslt14_en_de`."""
        return f"{self.data_set.split('_')[0]}_{self.source}_{self.target}"


_PAIRS = {
    "iwslt14_de_en": ("de", "en"),
    "iwslt14_en_es": ("en", "es"),
    "iwslt17_en_fr": ("en", "fr"),
    "iwslt17_en_zh": ("en", "zh"),
    "multi30k_de_en": ("de", "en"),
    "tatoeba_de_en": ("de", "en"),
    "toy_translation": ("xx", "yy"),
}
"""Parallel text -> its two languages."""

DIRECTIONS: dict[str, Direction] = {
    direction.name: direction
    for data_set, (one, other) in _PAIRS.items()
    for direction in (Direction(data_set, one, other), Direction(data_set, other, one))
}
"""Task -> direction."""
