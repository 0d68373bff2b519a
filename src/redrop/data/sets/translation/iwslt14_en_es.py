"""IWSLT14, English and Spanish."""

from redrop.data.base import PairLengths
from redrop.data.sets.translation._iwslt import talks
from redrop.data.sources import RemoteFile

ARCHIVE = RemoteFile(
    name="2014-01.tgz",
    # Without `confirm` the host answers with a page that asks about a virus scan.
    url="https://drive.usercontent.google.com/download"
    "?id=1GnBarJIbNgEIIDvUyKDtLmv35Qcxg6Ed&export=download&confirm=t",
    size=2 * 2**30,  # not published: a limit that leaves room for all pairs of languages
    mirror=("iwslt14_en_es/2014-01.tgz",),
)

DATA_SET = talks(
    "iwslt14_en_es",
    ("en", "es"),
    "TED talks in English and Spanish (IWSLT14)",
    "en-es",
    tuple(f"IWSLT14.TED.{year}" for year in ("dev2010", "tst2010", "tst2011", "tst2012")),
    inside="en-es.tgz",
    editions={"IWSLT 2014-01": (ARCHIVE,)},
    where_from={
        "recipe": "inferred: that of German and English",
        "members": "inferred: the same sets without TEDX, which is of German; "
        "chosen: the archive en-es for both directions",
    },
    lengths=PairLengths(25.2, 25.2, 7_900, 5_600),  # assumed: as German and English
)
