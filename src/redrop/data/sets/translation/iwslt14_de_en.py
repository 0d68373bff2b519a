"""IWSLT14, German and English: the text of R-Drop's recipe."""

from __future__ import annotations

from redrop.data.base import PairLengths
from redrop.data.sets.translation._iwslt import talks
from redrop.data.sources import RemoteFile

DATA_SET = talks(
    "iwslt14_de_en",
    ("de", "en"),
    "TED talks in German and English (IWSLT14)",
    "de-en",
    (
        "IWSLT14.TED.dev2010",
        "IWSLT14.TEDX.dev2012",
        "IWSLT14.TED.tst2010",
        "IWSLT14.TED.tst2011",
        "IWSLT14.TED.tst2012",
    ),
    editions={
        "fairseq's archive": (
            RemoteFile(
                name="de-en.tgz",
                url="https://dl.fbaipublicfiles.com/fairseq/data/iwslt14/de-en.tgz",
                sha256=None,
                size=None,
                mirror=("iwslt14_de_en/de-en.tgz",),
            ),
        )
    },
    rows={"test": 6750},
    where_from={"recipe": "authors-code", "members": "authors-code"},
    lengths=PairLengths(25.2, 25.2, 7_283, 6_750),  # measured on 4,598 pairs of train
)
