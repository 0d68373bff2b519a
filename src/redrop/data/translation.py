"""Parallel text: sentences of two languages that translate each other, ready for a translation model.

A data set (`translation_sets`) is fetched, read (`translation_files`) and prepared in steps
(`translation_steps`): tokenise, clean the training pairs, part off validation where the release has none,
lower-case, learn a joint BPE on both sides of the training text, apply it. Both directions of a pair read
the same prepared folder: a parquet file a split, `codes` (subword-nmt's merges), `vocabulary.txt` and,
written last, meta.json with the settings and with what each rule dropped.

Sentences are kept in three forms, since the two scores of a translation need two of them: as released,
cased and not tokenised (sacreBLEU), and tokenised and lower-cased (the papers' BLEU).
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from redrop.data import translation_steps as steps
from redrop.data.files import atomic_path, write_json
from redrop.data.prepared import META_FILE, prepare_again, read_meta
from redrop.data.provenance import SourceRecord, complete_record, read_source, recorded_file, write_source
from redrop.data.sources import RemoteFile, fetch_file
from redrop.data.translation_files import Counts, Pairs, Splits, check, read
from redrop.data.translation_sets import SETS, ParallelSet
from redrop.errors import ConfigError, DataError

CODES_FILE = "codes"
VOCABULARY_FILE = "vocabulary.txt"
FORMAT = "translation 1"
FORMS = ("raw", "tokenised", "bpe")
DROPPED = ("repeated", "in_train", *steps.RULES)
"""Rules that drop pairs."""


@dataclass(frozen=True, eq=False)
class ParallelSplit:
    """The sentence pairs of one split: lists of one length, in one order."""

    raw: dict[str, list[str]] = field(repr=False)
    """Language -> sentences as released, cased, white space aside: the references of sacreBLEU."""
    tokenised: dict[str, list[str]] = field(repr=False)
    """Language -> tokens separated by spaces, lower-cased where the set says: those of tokenised BLEU."""
    bpe: dict[str, list[str]] = field(repr=False)
    """Language -> BPE symbols separated by spaces; one that does not end its word ends in `@@`."""

    def __len__(self) -> int:
        return len(next(iter(self.raw.values())))


@dataclass(frozen=True, eq=False)
class ParallelData:
    """A prepared parallel text."""

    name: str
    """The data set."""
    languages: tuple[str, str]
    splits: dict[str, ParallelSplit] = field(repr=False)
    """`train`, `valid`, then the test sets; `test` is the main one."""
    vocabulary: tuple[str, ...] = field(repr=False)
    """Symbols of both sides of the training text, the most frequent first; no special ones."""
    lower_cased: bool
    """Whether `tokenised` and `bpe` are lower-cased; `raw` is not."""
    origin: str
    """Where the raw files came from: `mirror`, `download`, `generated`, ..."""
    edition: str
    """Which release, or which version of the generator."""
    sha256: str
    """Of all sentences, the merges and the vocabulary (see `fingerprint`)."""
    folder: Path
    """Where it stands."""
    counts: dict[str, dict[str, int]]
    """Split -> how many pairs were `read`, dropped by each rule, moved `to_valid`, and `kept`."""

    @property
    def summary(self) -> str:
        """Its size in words, and what was dropped of it."""
        sizes = ", ".join(f"{len(split):,} {name} pairs" for name, split in self.splits.items())
        totals = {rule: sum(counts.get(rule, 0) for counts in self.counts.values()) for rule in DROPPED}
        dropped = ", ".join(f"{n:,} {rule}" for rule, n in totals.items() if n)
        return f"{sizes}, {len(self.vocabulary):,} symbols; dropped: {dropped or 'none'}"


class ParallelDataSet:
    """One parallel text as a data set of `redrop.data`."""

    def __init__(self, parallel_set: ParallelSet) -> None:
        self.set = parallel_set
        self.NAME = parallel_set.name
        self.DESCRIPTION = parallel_set.about
        self.LICENSE = parallel_set.license

    def fetch(self, folder: Path, mirror: Path | None) -> SourceRecord:
        """Leave the raw files and source.json in `folder`.

        An earlier, complete fetch is kept; then the first edition that the mirror has in full is
        taken; else the last is downloaded. Raises DataError when the files cannot be had or are not
        what they should be.
        """
        if self.set.generated:
            from redrop.data import translation_toy

            return translation_toy.fetch(self.NAME, self.set.languages, folder)
        for names in self.set.files.values():
            kept = complete_record(folder, self.NAME, names)
            if kept is not None:
                return kept
        editions = self.set.editions
        whole = [edition for edition, files in editions.items() if _has_all(mirror, files)]
        edition = (whole or list(editions)[-1:])[0]
        fetched = []
        for file in editions[edition]:
            parse = functools.partial(check, self.set, file.name)
            fetched.append(fetch_file(file, folder, mirror, parse if file.sha256 is None else None))
        [file, *others] = editions[edition]
        if file.sha256 is None and not others:
            # Without a pinned sum, only the sum that was found tells one edition from another.
            edition = f"{edition}, sha256 {fetched[0].sha256[:12]}"
        return write_source(folder, SourceRecord(self.NAME, edition, tuple(fetched)))

    def prepare(self, raw_folder: Path, folder: Path) -> ParallelData:
        """Bring the raw files into `folder`; returns the text, read back and verified.

        Raises DataError when a raw file changed or is malformed, when a number of pairs is not the
        official one, and when no pair is left in a split.
        """
        editions = list(self.set.files.values())
        fetched = [names for names in editions if recorded_file(raw_folder, names[0]) is not None]
        names = (fetched or editions[-1:])[0]
        source = read_source(raw_folder, self.NAME, names)
        released, dropped = read(self.set, {str(raw_folder / name): raw_folder / name for name in names})
        cleaned, counts = _clean(self.set, released, dropped)
        splits, codes = _encode(self.set, cleaned)
        return _write(self.set, splits, counts, codes, source, folder)


def data_set(name: str) -> ParallelDataSet:
    """The data set called `name`, such as `iwslt14_de_en`; raises ConfigError when there is none."""
    if name not in SETS:
        raise ConfigError(f"{name!r} is no parallel text. Known: {', '.join(SETS)}.")
    return ParallelDataSet(SETS[name])


def fingerprint(splits: Mapping[str, ParallelSplit], codes: str, vocabulary: Sequence[str]) -> str:
    """sha256, in hex, of lines of JSON: `["train",N]` for each split, then a line for each of its pairs.

    A pair is the two raw sentences, the two tokenised and the two in BPE symbols, languages in the
    set's order; two lines with the merges and the vocabulary end it. So the sum does not depend on the
    version of the parquet writer.
    """
    digest = hashlib.sha256()
    for name, split in splits.items():
        digest.update(_line([name, len(split)]))
        for row in zip(*_columns(split).values(), strict=True):
            digest.update(_line(row))
    digest.update(_line(codes))
    digest.update(_line(vocabulary))
    return digest.hexdigest()


def load_parallel(folder: str | Path) -> ParallelData:
    """The parallel text prepared in `folder`, verified against its meta.json.

    Raises DataError naming the file and the command that makes it again when a file is missing or
    damaged, when the sentences are not those that were prepared, and when they were prepared with
    other settings than the data set has now.
    """
    folder = Path(folder)
    meta = _read_meta(folder)
    parallel_set = SETS[meta["name"]]
    again = f"Run `redrop prepare {parallel_set.name}` again."
    languages = parallel_set.languages
    splits = {
        split: _read_parquet(folder / f"{split}.parquet", languages, again) for split in parallel_set.splits
    }
    codes = _read_text(folder / CODES_FILE, again)
    vocabulary = tuple(_read_text(folder / VOCABULARY_FILE, again).split("\n")[:-1])
    for key, actual in _describe(parallel_set, splits, codes, vocabulary).items():
        if meta.get(key) != actual:
            raise DataError(
                f"{folder}: {META_FILE} says {key} {meta.get(key)!r}, but it is {actual!r}: the files were "
                f"changed, or prepared by another version. {again}"
            )
    return ParallelData(
        name=parallel_set.name,
        languages=languages,
        splits=splits,
        vocabulary=vocabulary,
        lower_cased=parallel_set.lower_case,
        origin=meta["origin"],
        edition=meta["edition"],
        sha256=meta["sha256"],
        folder=folder,
        counts=meta["counts"],
    )


def _has_all(mirror: Path | None, files: Sequence[RemoteFile]) -> bool:
    """Whether the mirror has every one of `files`."""
    paths = [file.mirror[0] for file in files]
    return mirror is not None and all((mirror / path).is_file() for path in paths)


def _clean(
    parallel_set: ParallelSet, released: Splits, dropped: Counts
) -> tuple[dict[str, ParallelSplit], dict[str, dict[str, int]]]:
    """The splits, tokenised and cleaned but not yet in BPE, and the counts of pairs."""
    splits: dict[str, ParallelSplit] = {}
    counts: dict[str, dict[str, int]] = {}
    for split, raw in released.items():
        tokenised = {language: _tokens(parallel_set, split, language, raw[language]) for language in raw}
        is_train = split == "train"
        limits, ratio = (parallel_set.limits, parallel_set.ratio) if is_train else (None, None)
        rows, cleaned = steps.clean(*tokenised.values(), limits, ratio)
        n_read = len(rows) + cleaned.total() + sum(dropped[split][rule] for rule in DROPPED)
        counts[split] = {"read": n_read, **dropped[split], **cleaned}
        parts = {split: rows}
        if is_train and parallel_set.every:
            parts["train"], parts["valid"] = steps.every(rows, parallel_set.every)
            counts["train"]["to_valid"] = len(parts["valid"])
            counts["valid"] = {"read": len(parts["valid"])}
        for part, numbers in parts.items():
            splits[part] = _take(raw, tokenised, numbers, parallel_set.lower_case)
            counts[part]["kept"] = len(numbers)
    for split, counted in counts.items():
        if not counted["kept"]:
            raise DataError(
                f"{parallel_set.name}: no {split} pair is left of {counted['read']:,}: delete the raw files "
                f"and run `redrop fetch {parallel_set.name}` again."
            )
    return splits, counts


def _tokens(parallel_set: ParallelSet, split: str, language: str, lines: list[str]) -> list[str]:
    if parallel_set.straighten and split != "train":
        lines = [steps.straighten(line) for line in lines]
    return steps.tokenise(lines, parallel_set.tokenisers.get(language, language))


def _take(raw: Pairs, tokenised: Pairs, rows: Sequence[int], lower_case: bool) -> ParallelSplit:
    """Some of the pairs, without BPE."""
    raw = {language: [lines[row] for row in rows] for language, lines in raw.items()}
    tokenised = {language: [lines[row] for row in rows] for language, lines in tokenised.items()}
    if lower_case:
        tokenised = {language: [line.lower() for line in lines] for language, lines in tokenised.items()}
    return ParallelSplit(raw, tokenised, {})


def _encode(
    parallel_set: ParallelSet, splits: Mapping[str, ParallelSplit]
) -> tuple[dict[str, ParallelSplit], str]:
    """The splits with BPE, learnt on both sides of the training text, and its merges."""
    both_sides = itertools.chain(*splits["train"].tokenised.values())
    codes = steps.learn_codes(both_sides, parallel_set.merges)
    encoded = {}
    for name, split in splits.items():
        bpe = {language: steps.apply_codes(codes, lines) for language, lines in split.tokenised.items()}
        encoded[name] = replace(split, bpe=bpe)
    return encoded, codes


def _columns(split: ParallelSplit) -> dict[str, list[str]]:
    """The lists by column, `raw_de`, `raw_en`, `tokenised_de`, ..."""
    return {f"{form}_{code}": lines for form in FORMS for code, lines in getattr(split, form).items()}


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def _describe(
    parallel_set: ParallelSet,
    splits: Mapping[str, ParallelSplit],
    codes: str,
    vocabulary: Sequence[str],
) -> dict[str, Any]:
    """What meta.json says of the files, so that `load_parallel` can compare it."""
    return {
        **parallel_set.settings,
        "rows": {name: len(split) for name, split in splits.items()},
        "symbols": len(vocabulary),
        "sha256": fingerprint(splits, codes, vocabulary),
    }


def _write(
    parallel_set: ParallelSet,
    splits: Mapping[str, ParallelSplit],
    counts: Mapping[str, Mapping[str, int]],
    codes: str,
    source: SourceRecord,
    folder: Path,
) -> ParallelData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    train = splits["train"].bpe
    vocabulary = steps.vocabulary(itertools.chain(*train.values()))
    folder.mkdir(parents=True, exist_ok=True)
    # An older meta.json must not vouch for new sentences if this is interrupted.
    (folder / META_FILE).unlink(missing_ok=True)
    for name, split in splits.items():
        columns = _columns(split)
        table = pa.table(columns, schema=pa.schema([(column, pa.string()) for column in columns]))
        with atomic_path(folder / f"{name}.parquet") as temporary:
            pq.write_table(table, temporary)
    texts = {CODES_FILE: codes, VOCABULARY_FILE: "".join(f"{symbol}\n" for symbol in vocabulary)}
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(text.encode("utf-8"))
    meta = {
        "format": FORMAT,
        "name": parallel_set.name,
        "origin": source.origin,
        "edition": source.edition,
        "raw_sha256": source.sha256,
        "counts": counts,
        "where_from": dict(parallel_set.where_from),
        **_describe(parallel_set, splits, codes, vocabulary),
    }
    write_json(folder / META_FILE, meta)
    return load_parallel(folder)


def _read_parquet(path: Path, languages: tuple[str, str], again: str) -> ParallelSplit:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = file.read().to_pydict()
        forms = [{code: table[f"{form}_{code}"] for code in languages} for form in FORMS]
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. {again}") from error
    except KeyError as error:
        raise DataError(f"{path} has no column {error}. {again}") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as parquet ({error}). {again}") from error
    return ParallelSplit(*forms)


def _read_text(path: Path, again: str) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. {again}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is damaged ({error}). {again}") from error


def _read_meta(folder: Path) -> dict[str, Any]:
    kinds = dict.fromkeys(("name", "origin", "edition", "sha256"), str) | {"counts": dict}
    meta = read_meta(folder, FORMAT, "parallel text", kinds)
    if meta["name"] not in SETS:
        known = ", ".join(SETS)
        raise DataError(
            f"{folder / META_FILE}: {meta['name']!r} is no parallel text. Known: {known}. "
            f"{prepare_again(folder)}"
        )
    return meta
