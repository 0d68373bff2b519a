"""A generated task: which of two sentences has more marked words?"""

from __future__ import annotations

from redrop.data.sets.glue._toy import BOTH, marked, toy_task


def pairs_truth(sentence1: str, sentence2: str) -> int:
    """The class: 1 (`more`) when sentence1 has more marked words than sentence2, else 0."""
    return int(marked(sentence1) > marked(sentence2))


DATA_SET = toy_task(
    "glue_toy_pairs",
    pairs_truth,
    [
        [(one, other) for one, other in BOTH if one < other],
        [(one, other) for one, other in BOTH if one > other],
    ],
    about="generated: which sentence has more marked words? (not GLUE)",
    labels=("fewer", "more"),
    metrics=("accuracy",),
    balance={"train": (600, 600), "dev": (150, 150)},
)
