"""Two generated tasks in GLUE's format whose answers are known, for tests and demonstrations only.

A sentence has five words, one of each kind in `WORDS`. Half of the words are marked, and the answer depends
on nothing but how many marked words each sentence has: a transformer of two layers learns that within some
hundred steps from random weights. The best possible score is known: everything right.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from redrop.data.provenance import SourceRecord, write_generated

if TYPE_CHECKING:
    from redrop.data.glue import GlueTask

EDITION = "toy 2"
"""Changes with anything that changes a row."""
WORDS = (
    ("anna", "ben", "clara", "david", "emma", "frank", "grace", "henry"),
    ("sees", "finds", "takes", "keeps", "sells", "hides", "shows", "makes"),
    ("red", "small", "old", "quiet", "warm", "round", "heavy", "green"),
    ("boats", "stones", "birds", "books", "trees", "horses", "bells", "maps"),
    ("today", "now", "again", "here", "there", "often", "always", "alone"),
)
"""Who, does, which, what, when; no word is of two kinds."""
MARKED = frozenset(word for kind in WORDS for word in kind[:4])
"""The first four of each kind."""

Row = tuple[str, str, float]
"""Both sentences, and the class or score."""


def marked(sentence: str) -> int:
    """How many of its words are marked, 0 to 5."""
    return sum(word in MARKED for word in sentence.split())


def pairs_truth(sentence1: str, sentence2: str) -> int:
    """The class in toy_pairs: 1 (`more`) when sentence1 has more marked words than sentence2, else 0."""
    return int(marked(sentence1) > marked(sentence2))


def score_truth(sentence1: str, sentence2: str) -> float:
    """The score in toy_score: half of the marked words of both sentences, 0 to 5."""
    return (marked(sentence1) + marked(sentence2)) / 2


def rows(task: GlueTask) -> dict[str, list[Row]]:
    """All rows of a generated task, by split: as many of each answer, no pair twice, shuffled."""
    counts, truth = _COUNTS[task.name], {"toy_pairs": pairs_truth, "toy_score": score_truth}[task.name]
    seen: set[tuple[str, str]] = set()
    splits = {}
    for split in task.splits:
        # Seeded by a text, so that neither a hash nor the other splits come into it.
        draw = random.Random(f"redrop/{task.name}/{split}")
        drawn: list[Row] = []
        while len(drawn) < task.rows[split]:
            first, second = (_sentence(draw, n) for n in draw.choice(counts[len(drawn) % len(counts)]))
            if (first, second) not in seen:
                seen.add((first, second))
                drawn.append((first, second, truth(first, second)))
        draw.shuffle(drawn)
        splits[split] = drawn
    return splits


def fetch(task: GlueTask, folder: Path) -> SourceRecord:
    """Generate the task's TSV files and source.json in `folder`; the bytes are always the same."""
    files = {}
    for split, drawn in rows(task).items():
        lines = [f"index\tsentence1\tsentence2\t{'score' if task.kind == 'regression' else 'label'}"]
        for index, (sentence1, sentence2, answer) in enumerate(drawn):
            label = task.labels[int(answer)] if task.labels else f"{answer:.3f}"
            lines.append(f"{index}\t{sentence1}\t{sentence2}\t{label}")
        files[f"{split}.tsv"] = "".join(f"{line}\n" for line in lines).encode("ascii")
    return write_generated(folder, task.data_set, EDITION, files, __name__)


def _sentence(draw: random.Random, n_marked: int) -> str:
    """One word of each kind, ``n_marked`` of them marked."""
    places = draw.sample(range(len(WORDS)), n_marked)
    return " ".join(draw.choice(kind[:4] if i in places else kind[4:]) for i, kind in enumerate(WORDS))


_BOTH = [(one, other) for one in range(6) for other in range(6)]
_COUNTS = {
    "toy_pairs": [
        [(one, other) for one, other in _BOTH if one < other],
        [(one, other) for one, other in _BOTH if one > other],
    ],
    "toy_score": [[pair for pair in _BOTH if sum(pair) == total] for total in range(11)],
}
"""Task -> for each answer in turn, the numbers of marked words in both sentences that give it."""
