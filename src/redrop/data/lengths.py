"""How much text there is in each data set: what `redrop plan` counts operations with.

Lengths are means in tokens, padding included, as batches of similar length have it: measured on the real
data with the tokenizer that is named, except where a line says `assumed`. They enter an estimate of time,
never a result.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Characters:
    """A character corpus."""

    train: int
    val: int
    symbols: int


CORPORA: dict[str, Characters] = {
    "tiny_shakespeare": Characters(1_003_854, 111_540, 65),
    "pride_prejudice": Characters(641_718, 71_303, 97),
    "python_code": Characters(1_007_768, 111_975, 96),  # of Python 3.11; it differs by version
    "python_docs": Characters(108_586, 12_066, 92),  # likewise
    "wikitext2": Characters(10_900_000, 1_140_000, 1_000),  # assumed: 2.1 M words, 5.2 characters each
}
"""Corpus -> its size as prepared."""

GLUE: dict[str, tuple[float, float]] = {
    # BERT's uncased word pieces, cut at 128; batches of the recipe's size in training, of 64 in evaluation.
    "cola": (11.7, 12.4),
    "sst2": (14.0, 27.0),
    "mrpc": (54.1, 57.3),
    "stsb": (28.8, 33.0),
    "rte": (67.6, 76.2),
    "qnli": (52.0, 51.7),  # train assumed to be as dev, which was measured
    "qqp": (32.0, 30.9),  # measured on 23,496 of the pairs
    "mnli": (40.0, 40.0),  # assumed: 30 words and 3 marks
    "toy_pairs": (13.0, 13.0),
    "toy_score": (13.0, 13.0),
}
"""Task -> tokens of a train and of a development example."""


@dataclass(frozen=True)
class PairLengths:
    """A parallel text, or documents with summaries."""

    source: float
    """Tokens of an input, uncut."""
    target: float
    """Tokens of an output."""
    valid: int
    """Pairs of the validation set."""
    tests: int
    """Pairs of all test sets together."""


PAIRS: dict[str, PairLengths] = {
    # Symbols of the joint BPE that each is prepared with.
    "iwslt14_de_en": PairLengths(25.2, 25.2, 7_283, 6_750),  # measured on 4,598 pairs of train
    "iwslt14_en_es": PairLengths(25.2, 25.2, 7_900, 5_600),  # assumed: as German and English
    "iwslt17_en_fr": PairLengths(25.2, 25.2, 10_000, 8_600),  # assumed, likewise
    "iwslt17_en_zh": PairLengths(28.0, 28.0, 10_000, 8_600),  # assumed: characters are more than words
    "multi30k_de_en": PairLengths(17.4, 17.4, 1_014, 3_071),
    "tatoeba_de_en": PairLengths(11.0, 11.0, 3_400, 3_400),  # assumed
    "toy_translation": PairLengths(8.9, 8.9, 100, 100),
    # Summaries: a byte-level BPE of 8,000 tokens; BART's own has longer tokens, so a little fewer of them.
    "cnn_dailymail": PairLengths(768.0, 64.0, 13_368, 11_490),  # measured on 1,000 validation articles
    "cnn_dailymail_sample": PairLengths(768.0, 64.0, 100, 100),
    "dialogsum": PairLengths(208.5, 50.0, 500, 500),
    "toy_summaries": PairLengths(18.1, 6.0, 100, 100),
}
"""Data set -> its lengths; inputs longer than a run's limit are cut there."""
