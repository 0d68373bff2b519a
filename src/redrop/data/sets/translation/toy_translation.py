"""A generated parallel text whose right translations are known, for tests and demonstrations only.

A sentence of language xx is `the red bird sees a stone today.`; in yy every word has one translation, and an
adjective follows its noun instead of preceding it. A small transformer learns both from 2,000 pairs. The best
possible score is known: every translation right. No sentence comes twice, within a split or across them.
"""

from __future__ import annotations

import random

from redrop.data.base import PairLengths
from redrop.data.generated import distinct_rows
from redrop.data.translation import ParallelSet

EDITION = "toy 1"
"""Changes with anything that changes a sentence."""
LANGUAGES = ("xx", "yy")
ROWS = {"train": 2000, "valid": 100, "test": 100}
"""Split -> pairs."""
ARTICLES = {"the": "la", "a": "un", "every": "omna", "no": "nil"}
ADJECTIVES = {
    "red": "ruba",
    "small": "pika",
    "old": "veka",
    "quiet": "taza",
    "warm": "kala",
    "round": "ronda",
    "heavy": "peza",
    "green": "verda",
}
NOUNS = {
    "boat": "navo",
    "stone": "petro",
    "bird": "ovo",
    "book": "libro",
    "tree": "arbo",
    "horse": "kavo",
    "bell": "klingo",
    "map": "karto",
}
VERBS = {
    "sees": "vidas",
    "finds": "trovas",
    "takes": "prenas",
    "keeps": "tenas",
    "sells": "vendas",
    "hides": "kovas",
    "shows": "montas",
    "makes": "faras",
}
TIMES = {"today": "hode", "now": "nune", "again": "dene", "often": "ofte"}

_WORDS = ARTICLES | ADJECTIVES | NOUNS | VERBS | TIMES


def translate(sentence: str) -> str:
    """The sentence of yy for one of xx, by the two rules; both have a capital at the front and a period."""
    words = sentence.removesuffix(".").lower().split()
    for i in reversed(range(len(words))):
        if words[i] in ADJECTIVES:
            words[i], words[i + 1] = words[i + 1], words[i]
    return _sentence(_WORDS[word] for word in words)


def pairs() -> dict[str, list[tuple[str, str]]]:
    """All pairs (xx, yy) by split; always the same."""
    drawn = distinct_rows("toy_translation", ROWS, lambda draw, _: _draw(draw))
    return {split: [(sentence, translate(sentence)) for sentence in found] for split, found in drawn.items()}


def generate() -> dict[str, bytes]:
    """train.xx, train.yy, ...: a sentence a line."""
    return {
        f"{split}.{language}": "".join(f"{pair[side]}\n" for pair in drawn).encode("ascii")
        for split, drawn in pairs().items()
        for side, language in enumerate(LANGUAGES)
    }


def _draw(draw: random.Random) -> str:
    words = [*_thing(draw), draw.choice(list(VERBS)), *_thing(draw)]
    if draw.random() < 0.5:
        words.append(draw.choice(list(TIMES)))
    return _sentence(words)


def _thing(draw: random.Random) -> list[str]:
    """An article, an adjective two times out of three, and a noun."""
    adjective = [draw.choice(list(ADJECTIVES))] if draw.random() < 2 / 3 else []
    return [draw.choice(list(ARTICLES)), *adjective, draw.choice(list(NOUNS))]


def _sentence(words) -> str:
    text = " ".join(words)
    return f"{text[0].upper()}{text[1:]}."


DATA_SET = ParallelSet(
    name="toy_translation",
    about="generated: word for word, with adjectives after their nouns (no real language)",
    license="MIT, as this project",
    editions={EDITION: ()},
    generate=generate,
    languages=LANGUAGES,
    layout="lines",
    members={split: (split,) for split in ROWS},
    tokenisers={"xx": "en", "yy": "en"},
    merges=0,
    rows=ROWS,
    where_from={"all": "chosen"},
    lengths=PairLengths(8.9, 8.9, 100, 100),
)
