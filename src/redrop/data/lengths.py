"""How much text there is in each data set: what `redrop plan` counts operations with.

Lengths are means in tokens, padding included, as batches of similar length have it: measured on the real
data with the tokenizer that is named, except where a data set's file says `assumed`. They enter an estimate
of time, never a result. A data set that does not say its lengths is not planned.
"""

from __future__ import annotations

from redrop.data import of_family
from redrop.data.base import PairLengths
from redrop.data.corpus import Characters

CORPORA: dict[str, Characters] = {one.name: one.size for one in of_family("corpus") if one.size}
"""Corpus -> its size as prepared."""

GLUE: dict[str, tuple[float, float]] = {one.task: one.lengths for one in of_family("glue") if one.lengths}
"""Task -> tokens of a train and of a development example."""

PAIRS: dict[str, PairLengths] = {
    one.name: one.lengths for one in (*of_family("translation"), *of_family("summarization")) if one.lengths
}
"""Data set -> its lengths; inputs longer than a run's limit are cut there."""
