"""Two generated tasks in GLUE's format whose answers are known, for tests and demonstrations only.

A sentence has five words, one of each kind in `WORDS`. Half of the words are marked, and the answer depends
on nothing but how many marked words each sentence has: a transformer of two layers learns that within some
hundred steps from random weights. The best possible score is known: everything right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from redrop.data.generated import distinct_rows
from redrop.data.glue import GlueTask

EDITION = "toy 2"
"""Changes with anything that changes a row."""
ROWS = {"train": 1200, "dev": 300}
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


def toy_task(
    name: str, truth: Callable[[str, str], float], counts: Sequence[list[tuple[int, int]]], **values: Any
) -> GlueTask:
    """A generated task, whose answers are by `truth`.

    `counts`: for each answer in turn, the numbers of marked words in both sentences that give it.
    """

    def generate() -> dict[str, bytes]:
        label, labels = task.label, task.labels
        files = {}
        for split, drawn in rows(task.task, truth, counts).items():
            lines = [f"index\tsentence1\tsentence2\t{label}"]
            for index, (sentence1, sentence2, answer) in enumerate(drawn):
                written = labels[int(answer)] if labels else f"{answer:.3f}"
                lines.append(f"{index}\t{sentence1}\t{sentence2}\t{written}")
            files[f"{split}.tsv"] = "".join(f"{line}\n" for line in lines).encode("ascii")
        return files

    task = GlueTask(
        name=name,
        license="MIT, as this project",
        editions={EDITION: ()},
        generate=generate,
        rows=ROWS,
        lengths=(13.0, 13.0),
        **values,
    )
    return task


def rows(
    task: str, truth: Callable[[str, str], float], counts: Sequence[list[tuple[int, int]]]
) -> dict[str, list[Row]]:
    """All rows of a task, by split: as many of each answer, no pair twice, shuffled."""

    def pair(draw: random.Random, number: int) -> tuple[str, str]:
        first, second = (_sentence(draw, n) for n in draw.choice(counts[number % len(counts)]))
        return first, second

    drawn = distinct_rows(task, ROWS, pair, shuffled=True)
    return {split: [(*both, truth(*both)) for both in found] for split, found in drawn.items()}


def _sentence(draw: random.Random, n_marked: int) -> str:
    """One word of each kind, ``n_marked`` of them marked."""
    places = draw.sample(range(len(WORDS)), n_marked)
    return " ".join(draw.choice(kind[:4] if i in places else kind[4:]) for i, kind in enumerate(WORDS))


BOTH = [(one, other) for one in range(6) for other in range(6)]
"""Numbers of marked words that two sentences may have."""
