"""A generated task: how many words of two sentences are marked?"""

from __future__ import annotations

from redrop.data.sets.glue._toy import BOTH, marked, toy_task


def score_truth(sentence1: str, sentence2: str) -> float:
    """The score: half of the marked words of both sentences, 0 to 5."""
    return (marked(sentence1) + marked(sentence2)) / 2


DATA_SET = toy_task(
    "glue_toy_score",
    score_truth,
    [[pair for pair in BOTH if sum(pair) == total] for total in range(11)],
    about="generated: how many words are marked? (not GLUE)",
    label="score",
    metrics=("pearson", "spearman"),
)
