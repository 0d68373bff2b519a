"""Directions of translation: which parallel text each reads, from which language, into which.

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

from redrop.data import of_family


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


DIRECTIONS: dict[str, Direction] = {
    direction.name: direction
    for text in of_family("translation")
    for direction in (Direction(text.name, *text.languages), Direction(text.name, *text.languages[::-1]))
}
"""Task -> direction."""
