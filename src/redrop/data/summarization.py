"""Documents with summaries: CNN/DailyMail, DialogSum and a generated set, and a tokenizer for each.

CNN/DailyMail is version 3.0.0 of the hub's abisee/cnn_dailymail at a pinned revision. `cnn_dailymail_sample`
is 1,000 of its validation articles, parted into train, valid and test by us: a data set of its own, which
never stands in for the whole. DialogSum is the authors' repository at a pinned commit; a mirror may hold
other editions of its files, and then the edition names them.

Cleaning. White space at the ends of documents and summaries is removed; inside nothing is changed (CNN/
DailyMail has a highlight a line). A document that is empty then is dropped with its summaries; an empty
summary is dropped, and its document where none is left. `counts` says how many of each. Anything else is
refused: a key or column that is missing or not text, a row with too few fields, broken JSON, bytes that
are not UTF-8, and a number of rows that is not the official one.

A prepared folder holds a parquet file a split (`id`, `document`, `summaries`) and tokenizer.json, which was
learned on the train split: byte-level BPE, for models that bring no tokenizer. The special tokens have the
ids that BART's have. Every byte has a token, so nothing is unknown; `<unk>` is there for models that ask for
it. Text gets a space in front before it is cut (chosen), so that a word has the same token at the beginning
as elsewhere; strip what is decoded.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from redrop.data import base
from redrop.data.base import DataSet, PairLengths, Prepared
from redrop.data.files import Writer, read_parquet, sha256_file, text_writer
from redrop.data.source_record import FetchedFile
from redrop.data.sources import RemoteFile, in_mirror
from redrop.data.summarization_files import Row, read_rows
from redrop.errors import DataError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPLITS = ("train", "valid", "test")
TOKENIZER_FILE = "tokenizer.json"
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")
"""Their ids are their places: 0, 1, 2, 3."""


@dataclass(frozen=True, eq=False)
class SummarySplit:
    """The examples of one split, in the order of the file."""

    ids: list[str] = field(repr=False)
    """n identifiers, as the data set has them."""
    documents: list[str] = field(repr=False)
    """n documents."""
    summaries: list[list[str]] = field(repr=False)
    """One or several references of each document."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Iterable[int]) -> SummarySplit:
        """Some of the examples, in the order given."""
        rows = list(rows)
        return SummarySplit(*([column[row] for row in rows] for column in self.columns().values()))

    def columns(self) -> dict[str, list[Any]]:
        """The examples by column of the prepared files."""
        return {"id": self.ids, "document": self.documents, "summaries": self.summaries}


@dataclass(frozen=True, kw_only=True)
class SummarySet(DataSet):
    """Documents with summaries: their files, and how they are prepared."""

    family: ClassVar[str] = "summarization"
    noun: ClassVar[str] = "set of summaries"
    format: ClassVar[object] = "summaries 1"
    meta_types: ClassVar[Mapping[str, type]] = DataSet.meta_types | {"counts": dict}

    keys: tuple[str, str] = ("id", "document")
    """Columns or JSON keys of the identifier and of the document."""
    references: Mapping[str, tuple[str, ...]] = field(hash=False)
    """Split -> columns or JSON keys of its reference summaries; `""` stands for every split not named."""
    rows: Mapping[str, int] = field(hash=False)
    """Official number of rows of each split, before cleaning, or how many of a single file are taken."""
    git_blobs: Mapping[str, str] = field(default_factory=dict, hash=False)
    """File -> its id in git, pinned where no sha256 is published."""
    held_out: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Split -> rows (chosen), where the first rows of a single file are parted; train gets the others."""
    vocabulary: int = 8000
    """Tokens of the byte-level BPE, at most (chosen)."""
    learned_on: int = 20_000
    """Train examples that it is learned on, at most, spread evenly (chosen: CNN/DailyMail has 1.2 GB)."""
    sentences: str = "sentences"
    """How the references' sentences are told: a name in `evaluation.summarization.SPLITTERS`."""
    smaller: str = ""
    """A data set to name where this one cannot be had; it never takes its place."""
    lengths: PairLengths | None = None
    """In tokens of a byte-level BPE of 8,000; BART's own has longer tokens, so a little fewer of them."""

    def _encode(self, paths: Mapping[str, Sequence[Path]]) -> tuple[dict[str, Writer], dict[str, Any]]:
        import pyarrow as pa

        splits, counts = {}, {}
        for split, files in paths.items():
            expected = self.rows[split]
            rows = itertools.chain.from_iterable(read_rows(path, self, split) for path in files)
            if self.held_out:
                rows = itertools.islice(rows, expected)
            splits[split], counts[split] = clean(rows)
            found = counts[split]["read"]
            if found != expected:
                raise self.wrong_count(files[0].parent, f"{split} rows", expected, found)
        if self.held_out:
            (whole,) = splits.values()
            splits = part(whole, self.held_out)
        train = splits["train"]
        train = train.take(range(0, len(train), math.ceil(len(train) / self.learned_on)))
        texts = itertools.chain(train.documents, itertools.chain.from_iterable(train.summaries))
        tokenizer = learn_tokenizer(texts, self.vocabulary)
        files = base.parquet_files(splits, {"summaries": pa.list_(pa.string())}, row_group_size=10_000)
        written = tokenizer.to_str()
        return files | {TOKENIZER_FILE: text_writer(written)}, {
            "counts": counts,
            "vocabulary": tokenizer.get_vocab_size(),
            "tokenizer_sha256": hashlib.sha256(written.encode("utf-8")).hexdigest(),
            **base.facts_of(splits),
        }

    def _decode(self, folder: Path, meta: Mapping[str, Any]) -> SummaryData:
        splits = {}
        for split in SPLITS:
            path = folder / f"{split}.parquet"
            table = read_parquet(path, ("id", "document", "summaries"), self.prepare_again)
            splits[split] = SummarySplit(*table.to_pydict().values())
        tokenizer = folder / TOKENIZER_FILE
        if not tokenizer.is_file():
            raise DataError(f"{tokenizer} is missing. {self.prepare_again}")
        found = base.facts_of(splits) | {"tokenizer_sha256": sha256_file(tokenizer)}
        self.verify(folder, meta, found)
        return SummaryData(**self.identity(meta), splits=splits, folder=folder, counts=meta["counts"])

    def _check(self, file: RemoteFile, mirror: Path | None, path: Path) -> None:
        """A file without a pinned sha256 must read and, downloaded, have the pinned git id."""
        for _ in read_rows(path, self, file.split, file.name):
            pass
        if not in_mirror(file, mirror) and not self._is_pinned(file, path, ""):
            expected = self.git_blobs[file.name]
            raise DataError(f"{file.name}: expected git blob {expected}, actual {git_blob(path)}")

    def _is_pinned(self, file: RemoteFile, path: Path, sha256: str) -> bool:
        """Whether the file at `path` is the pinned one; a file that nothing is known of passes."""
        if file.sha256 is not None:
            return sha256 == file.sha256
        blob = self.git_blobs.get(file.name)
        return blob is None or git_blob(path) == blob

    def _edition(self, edition: str, fetched: Sequence[FetchedFile]) -> str:
        files = zip(self.editions[edition], fetched, strict=True)
        others = [file.name for file, got in files if not self._is_pinned(file, got.path, got.sha256)]
        return f"{edition}, but for other editions of {', '.join(others)}" if others else edition

    def _advice(self, edition: str, mirror: Path | None) -> str:
        return f"There is a smaller data set: `redrop fetch {self.smaller}`." if self.smaller else ""


@dataclass(frozen=True, eq=False, kw_only=True)
class SummaryData(Prepared):
    """A prepared data set."""

    splits: dict[str, SummarySplit]
    """`train`, `valid`, `test`."""
    folder: Path
    counts: dict[str, dict[str, int]]
    """Raw split -> `read`, `empty_document`, `empty_summary` (references), `without_summary` (documents)."""

    @property
    def tokenizer_file(self) -> Path:
        """tokenizer.json, as `tokenizers.Tokenizer.from_file` reads it."""
        return self.folder / TOKENIZER_FILE

    @property
    def summary(self) -> str:
        """Its size in words, with what cleaning dropped."""
        dropped = [
            f"{n:,} {reason.replace('_', ' ')} in {split}"
            for split, reasons in self.counts.items()
            for reason, n in reasons.items()
            if n and reason != "read"
        ]
        lost = ", ".join(dropped) or "nothing"
        return f"{base.in_words(self.splits, 'examples')} ({self.edition}; dropped: {lost})"


def git_blob(path: Path) -> str:
    """The id that git gives a file: the sha1, in hex, of `blob`, its size, a zero byte and its bytes."""
    raw = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def clean(rows: Iterable[Row]) -> tuple[SummarySplit, dict[str, int]]:
    """The rows without white space at the ends and without empty texts, and how many were dropped."""
    kept = SummarySplit([], [], [])
    counts = {"read": 0, "empty_document": 0, "empty_summary": 0, "without_summary": 0}
    for identifier, document, summaries in rows:
        counts["read"] += 1
        filled = [summary.strip() for summary in summaries if summary.strip()]
        if not document.strip():
            counts["empty_document"] += 1
            continue
        counts["empty_summary"] += len(summaries) - len(filled)
        if not filled:
            counts["without_summary"] += 1
            continue
        kept.ids.append(identifier)
        kept.documents.append(document.strip())
        kept.summaries.append(filled)
    return kept, counts


def part(split: SummarySplit, held_out: Mapping[str, int]) -> dict[str, SummarySplit]:
    """`train` and the parts held out of it; each keeps the order of the rows.

    The rows are ranked by the sha256 of their identifiers (chosen: it depends on nothing else); the parts
    take the first ones in turn. Raises DataError when that leaves nothing to train on.
    """
    if sum(held_out.values()) >= len(split):
        raise DataError(f"holding out {sum(held_out.values())} of {len(split)} rows leaves none to train on")
    ranked = sorted(range(len(split)), key=lambda row: hashlib.sha256(split.ids[row].encode()).digest())
    parts, first = {}, 0
    for name, count in held_out.items():
        parts[name] = ranked[first : first + count]
        first += count
    parts["train"] = ranked[first:]
    return {name: split.take(sorted(parts[name])) for name in SPLITS}


def learn_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A BPE of at most `vocabulary` tokens; encoding puts `<s>` before and `</s>` behind a text.

    It has at least 260 (special tokens and bytes), and fewer than `vocabulary` where there is nothing left
    to merge. The same texts in the same order give the same tokenizer, byte for byte, with one version of
    the tokenizers package.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
