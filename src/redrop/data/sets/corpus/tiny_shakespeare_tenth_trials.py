"""The same training text as ``tiny_shakespeare_tenth``, validated on text that it leaves unused: for trials.

What settings are chosen on is neither trained on nor reported on.
"""

from __future__ import annotations

from redrop.data.corpus import Characters, CorpusSet
from redrop.data.sets.corpus.tiny_shakespeare_tenth import CHARACTERS
from redrop.data.sets.corpus.tiny_shakespeare_tenth import DATA_SET as TENTH

FROM, TO = 500_000, 611_540
"""A stretch in the middle of the nine unused tenths, as long as the validation text."""


def split(text: str) -> tuple[str, str]:
    """Training and held-out text of the whole."""
    return text[:CHARACTERS], text[FROM:TO]


DATA_SET = CorpusSet(
    name="tiny_shakespeare_tenth_trials",
    about="the first 100,000 characters of Tiny Shakespeare, validated on a stretch that is left unused",
    license=TENTH.license,
    editions=TENTH.editions,
    split=split,
    size=Characters(CHARACTERS, TO - FROM, 65),
)
