"""The two papers, and which studies are of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paper:
    """A paper as the page names it."""

    key: str
    name: str
    arxiv: str
    about: str
    studies: tuple[str, ...]


PAPERS = (
    Paper(
        "residual",
        "Dropout × residual connections",
        "2410.01019",
        "Dropout on the skip connections of a character GPT on Tiny Shakespeare: which rate is best for "
        "skips over one, two and four blocks?",
        ("residual",),
    ),
    Paper(
        "lrdrop",
        "LR-Drop",
        "2402.16361",
        "Two dropout passes whose hidden states, attention and outputs are kept consistent, against plain "
        "training and R-Drop: language understanding, translation, summarisation.",
        ("glue", "translation", "summarization"),
    ),
)


def papers(studies: list[str]) -> list[Paper]:
    """The papers, and after them each study that is of neither under its own name."""
    known = {study for paper in PAPERS for study in paper.studies}
    return [*PAPERS, *(Paper(name, name, "", "", (name,)) for name in studies if name not in known)]
