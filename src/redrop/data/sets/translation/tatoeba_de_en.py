"""Tatoeba: short everyday sentences in German and English, from manythings.org."""

from redrop.data.base import PairLengths
from redrop.data.sources import RemoteFile
from redrop.data.translation import ParallelSet

ARCHIVE = RemoteFile(
    name="deu-eng.zip",
    url="https://www.manythings.org/anki/deu-eng.zip",
    mirror=("tatoeba/deu-eng.zip",),
)

DATA_SET = ParallelSet(
    name="tatoeba_de_en",
    languages=("de", "en"),
    about="short everyday sentences in German and English (Tatoeba, from manythings.org)",
    license="CC BY 2.0 (tatoeba.org, manythings.org/anki)",
    editions={"manythings.org": (ARCHIVE,)},
    layout="table",
    members={"train": ("deu.txt",)},
    limits=(1, 175),
    shares={"valid": 2, "test": 2},
    merges=8000,
    where_from={
        "shares": "chosen: parted by the English sentence, of which many pairs share one",
        "ratio": "chosen: none, since people checked these pairs",
        "lower_case, limits, merges": "chosen",
    },
    lengths=PairLengths(11.0, 11.0, 3_400, 3_400),  # assumed
)
