"""WikiText-2, raw, as characters, with its own training and validation split (Merity et al. 2016).

The text is the `text` column of the hub's parquet files, the rows joined as they are: a line keeps
its own newline, and the empty rows between paragraphs add nothing.
"""

from __future__ import annotations

from pathlib import Path

from redrop.data.corpus import Characters, CorpusSet
from redrop.data.files import read_parquet
from redrop.data.sources import hub_file
from redrop.errors import DataError

REVISION = "b08601e04326c79dfdd32d625aee71d232d685c3"
PLACE = f"Salesforce/wikitext/resolve/{REVISION}/wikitext-2-raw-v1/{{}}-00000-of-00001.parquet"


def read_text(path: Path) -> str:
    """The `text` column of a parquet file, rows joined; raises DataError when it is none."""
    rows = read_parquet(path, ["text"], "Run `redrop fetch wikitext2` again.").column("text").to_pylist()
    if not all(isinstance(row, str) for row in rows):
        raise DataError(f"{path.name}: the column 'text' holds something other than text.")
    return "".join(rows)


DATA_SET = CorpusSet(
    name="wikitext2",
    about="WikiText-2 raw: verified good and featured articles of Wikipedia",
    license="CC BY-SA 3.0 and GFDL",
    editions={
        f"hub {REVISION[:12]}": (
            hub_file(
                PLACE.format("train"),
                "wikitext-2",
                "e83889baabc497075506f91975be5fac0d45c5290b6b20582c8cd1e853d0c9f7",
                6357543,
            ),
            # No sum is published for this one: it must read as parquet, then its sum is recorded.
            hub_file(PLACE.format("validation"), "wikitext-2", split="validation"),
        )
    },
    read=read_text,
    size=Characters(10_900_000, 1_140_000, 1_000),  # assumed: 2.1 M words, 5.2 characters each
)
