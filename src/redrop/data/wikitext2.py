"""WikiText-2, raw, as characters, with its own training and validation split (Merity et al. 2016).

The text is the `text` column of the hub's parquet files, the rows joined as they are: a line keeps
its own newline, and the empty rows between paragraphs add nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from redrop.data.provenance import SourceRecord, read_source, write_source
from redrop.data.sources import RemoteFile, fetch_file
from redrop.errors import DataError

if TYPE_CHECKING:
    from redrop.data.corpus import Corpus

NAME = "wikitext2"
DESCRIPTION = "WikiText-2 raw: verified good and featured articles of Wikipedia"
LICENSE = "CC BY-SA 3.0 and GFDL"

REVISION = "b08601e04326c79dfdd32d625aee71d232d685c3"


def _remote(split: str, sha256: str | None, size: int | None) -> RemoteFile:
    name = f"{split}-00000-of-00001.parquet"
    return RemoteFile(
        name=name,
        url=f"https://huggingface.co/datasets/Salesforce/wikitext/resolve/{REVISION}/"
        f"wikitext-2-raw-v1/{name}",
        sha256=sha256,
        size=size,
        mirror=(f"wikitext-2/{name}",),
        mirror_sha256=() if sha256 is None else (sha256,),
    )


TRAIN = _remote("train", "e83889baabc497075506f91975be5fac0d45c5290b6b20582c8cd1e853d0c9f7", 6357543)
# No sum is published for this one: it must read as parquet, then its sum is recorded.
VALIDATION = _remote("validation", None, None)


def fetch(folder: Path, mirror: Path | None) -> SourceRecord:
    """Leave both parquet files and source.json in `folder`; raises DataError when it cannot."""
    files = tuple(fetch_file(remote, folder, mirror, _check) for remote in (TRAIN, VALIDATION))
    return write_source(folder, SourceRecord(NAME, f"hub {REVISION[:12]}", files))


def prepare(raw_folder: Path, folder: Path) -> Corpus:
    """Encode both splits with one vocabulary, that of all their text; returns the Corpus."""
    from redrop.data.corpus import prepare_corpus

    source = read_source(raw_folder, NAME, (TRAIN.name, VALIDATION.name))
    return prepare_corpus(
        read_text(raw_folder / TRAIN.name),
        folder,
        name=NAME,
        origin=source.origin,
        edition=source.edition,
        validation=read_text(raw_folder / VALIDATION.name),
        notes={"raw_sha256": source.sha256},
    )


def read_text(path: Path) -> str:
    """The `text` column of a parquet file, rows joined; raises DataError when it is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if "text" not in names:
                raise DataError(f"{path.name} has no column `text`, only {', '.join(names)}.")
            rows = file.read(columns=["text"]).column("text").to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} cannot be read as parquet ({error}).") from error
    if not all(isinstance(row, str) for row in rows):
        raise DataError(f"{path.name}: the column `text` holds something other than text.")
    return "".join(rows)


def _check(path: Path) -> None:
    if not read_text(path):
        raise DataError("it holds no text.")
