"""IWSLT14, German and English: the text of R-Drop's recipe."""

from redrop.data.base import PairLengths
from redrop.data.sets.translation._iwslt import talks
from redrop.data.sources import RemoteFile

YEARS = ("TED.dev2010", "TEDX.dev2012", "TED.tst2010", "TED.tst2011", "TED.tst2012")
ARCHIVE = RemoteFile(
    name="de-en.tgz",
    url="https://dl.fbaipublicfiles.com/fairseq/data/iwslt14/de-en.tgz",
    mirror=("iwslt14_de_en/de-en.tgz",),
)

DATA_SET = talks(
    "iwslt14_de_en",
    ("de", "en"),
    "TED talks in German and English (IWSLT14)",
    "de-en",
    tuple(f"IWSLT14.{year}" for year in YEARS),
    editions={"fairseq's archive": (ARCHIVE,)},
    rows={"test": 6750},
    where_from={"recipe": "authors-code", "members": "authors-code"},
    lengths=PairLengths(25.2, 25.2, 7_283, 6_750),  # measured on 4,598 pairs of train
)
