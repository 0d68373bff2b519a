"""The first tenth of Tiny Shakespeare's training text, 100,000 characters, with its usual validation text.

So little that a model of paper B's size overfits within 5,000 updates: where regularisation matters. The
symbols are those of the whole text, so models are of the same shape as on it.
"""

from __future__ import annotations

from redrop.data.corpus import TRAIN_FRACTION, Characters, CorpusSet
from redrop.data.sets.corpus.tiny_shakespeare import DATA_SET as WHOLE

CHARACTERS = 100_000


def split(text: str) -> tuple[str, str]:
    """Training and validation text of the whole."""
    return text[:CHARACTERS], text[int(len(text) * TRAIN_FRACTION) :]


DATA_SET = CorpusSet(
    name="tiny_shakespeare_tenth",
    about="the first 100,000 characters of Tiny Shakespeare, validated on its last tenth",
    license=WHOLE.license,
    editions=WHOLE.editions,
    split=split,
    size=Characters(CHARACTERS, 111_540, 65),
)
