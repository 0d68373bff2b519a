"""The tasks by their names, and how much text there is in each: what `redrop plan` counts operations with.

Lengths are means in tokens, padding included, as batches of similar length have it: measured on the real
data with the tokenizer that is named, except where a data set's file says `assumed`. They enter an estimate
of time, never a result. A data set that does not say its lengths is not planned.

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

from redrop.data import of_family
from redrop.data.base import PairLengths
from redrop.data.corpus import Characters
from redrop.data.glue import GlueTask


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
TASKS: dict[str, GlueTask] = {task.task: task for task in of_family("glue")}
"""Task of GLUE (Wang et al. 2019, arXiv 1804.07461), such as `cola`, or a generated one -> its data set."""

CORPORA: dict[str, Characters] = {one.name: one.size for one in of_family("corpus") if one.size}
"""Corpus -> its size as prepared."""

GLUE: dict[str, tuple[float, float]] = {one.task: one.lengths for one in of_family("glue") if one.lengths}
"""Task -> tokens of a train and of a development example."""

PAIRS: dict[str, PairLengths] = {
    one.name: one.lengths for one in (*of_family("translation"), *of_family("summarization")) if one.lengths
}
"""Data set -> its lengths; inputs longer than a run's limit are cut there."""
