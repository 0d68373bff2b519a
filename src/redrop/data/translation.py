"""Parallel text: sentences of two languages that translate each other, ready for a translation model.

A data set is fetched, read (`translation_files`) and prepared in steps
(`translation_steps`): tokenise, clean the training pairs, part off validation where the release has none,
lower-case, learn a joint BPE on both sides of the training text, apply it. Both directions of a pair read
the same prepared folder: a parquet file a split, `codes` (subword-nmt's merges) and
`vocabulary.txt`; meta.json has the settings and what each rule dropped.

Sentences are kept in three forms, since the two scores of a translation need two of them: as released,
cased and not tokenised (sacreBLEU), and tokenised and lower-cased (the papers' BLEU).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from redrop.data import base
from redrop.data import translation_steps as steps
from redrop.data.base import DataSet, PairLengths, Prepared
from redrop.data.files import Writer, read_parquet, read_utf8, text_writer
from redrop.data.source_record import FetchedFile
from redrop.data.sources import RemoteFile
from redrop.data.translation_files import Counts, Pairs, Splits, check, read
from redrop.errors import DataError

CODES_FILE, VOCABULARY_FILE = "codes", "vocabulary.txt"
"""Of the BPE: its merges as subword-nmt writes them, and its symbols, the most frequent first."""
FORMS = ("raw", "tokenised", "bpe")
CLEANING = ("straighten", "lower_case", "limits", "ratio")
SETTINGS = ("languages", "members", "every", "shares", "merges", *CLEANING)
"""Fields of a set that meta.json repeats."""
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

    def columns(self) -> dict[str, list[str]]:
        """The lists by column, `raw_de`, `raw_en`, `tokenised_de`, ..., languages in the set's order."""
        return {f"{form}_{code}": lines for form in FORMS for code, lines in getattr(self, form).items()}


@dataclass(frozen=True, kw_only=True)
class ParallelSet(DataSet):
    """A parallel text: its files, and how it is prepared.

    Every setting says where it comes from: `authors-code` is R-Drop's official recipe for IWSLT14 (fairseq's
    prepare-iwslt14.sh), on which paper A's baselines rest; `inferred` is what follows from it for another
    pair; `chosen` is ours.
    """

    family: ClassVar[str] = "translation"
    noun: ClassVar[str] = "parallel text"
    format: ClassVar[object] = "translation 1"
    meta_types: ClassVar[Mapping[str, type]] = DataSet.meta_types | {"counts": dict}

    languages: tuple[str, str]
    """Codes of both; each direction between them reads the same prepared folder."""
    layout: str
    """How the files are read: a name in `translation_files.READERS`."""
    members: Mapping[str, tuple[str, ...]] = field(hash=False)
    """Split -> the files that make it up, in order, without the ending that names the language."""
    inside: str = ""
    """Name of an archive within the archive that holds the members."""
    tokenisers: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Language -> Moses's code of the rules that split it, where that is not its own code."""
    straighten: bool = False
    """Whether the test sets, and only they, get straight apostrophes before they are tokenised."""
    lower_case: bool = True
    """Whether the tokenised text is lower-cased."""
    limits: tuple[int, int] | None = None
    """Fewest and most tokens of either side of a training pair."""
    ratio: float | None = None
    """How many times as many tokens one side of a training pair may have as the other."""
    every: int | None = None
    """Every n-th of the cleaned training pairs goes to validation."""
    shares: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Split -> per cent of the sentences that are parted off for it, where the text has no splits."""
    merges: int
    """Merges of the joint BPE, at most; 0: the symbols are the words."""
    rows: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Official number of pairs of a split as released, where known for sure."""
    where_from: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Setting -> where its value comes from."""
    lengths: PairLengths | None = None
    """In symbols of the joint BPE that it is prepared with."""

    @property
    def splits(self) -> tuple[str, ...]:
        """`train`, `valid`, then the test sets."""
        return tuple(dict.fromkeys(("train", "valid", *self.members, *self.shares)))

    @property
    def settings(self) -> dict[str, Any]:
        """What decides how the released text is prepared, as plain values; meta.json holds them."""
        found = {key: getattr(self, key) for key in SETTINGS}
        codes = {language: self.tokenisers.get(language, language) for language in self.languages}
        return json.loads(json.dumps(found | {"tokenisers": codes}))

    def describe(
        self, splits: Mapping[str, ParallelSplit], codes: str, vocabulary: Sequence[str]
    ) -> dict[str, Any]:
        """What meta.json says of the files, so that `load` can compare it."""
        return self.settings | {"symbols": len(vocabulary)} | base.facts_of(splits, codes, vocabulary)

    def _encode(self, paths: Mapping[str, Sequence[Path]]) -> tuple[dict[str, Writer], dict[str, Any]]:
        released, dropped = read(self, {str(path): path for files in paths.values() for path in files})
        cleaned, counts = _clean(self, released, dropped)
        codes = steps.learn_codes(itertools.chain(*cleaned["train"].tokenised.values()), self.merges)
        splits = {}
        for name, split in cleaned.items():
            bpe = {language: steps.apply_codes(codes, lines) for language, lines in split.tokenised.items()}
            splits[name] = replace(split, bpe=bpe)
        vocabulary = steps.vocabulary(itertools.chain(*splits["train"].bpe.values()))
        files = base.parquet_files(splits, {})
        files[CODES_FILE] = text_writer(codes)
        files[VOCABULARY_FILE] = text_writer("".join(f"{symbol}\n" for symbol in vocabulary))
        facts = {"counts": counts, "where_from": dict(self.where_from)}
        return files, facts | self.describe(splits, codes, vocabulary)

    def _decode(self, folder: Path, meta: Mapping[str, Any]) -> ParallelData:
        names = [f"{form}_{language}" for form in FORMS for language in self.languages]
        splits = {}
        for split in self.splits:
            columns = read_parquet(folder / f"{split}.parquet", names, self.prepare_again).to_pydict()
            forms = ({code: columns[f"{form}_{code}"] for code in self.languages} for form in FORMS)
            splits[split] = ParallelSplit(*forms)
        codes = read_utf8(folder / CODES_FILE, self.prepare_again)
        vocabulary = tuple(read_utf8(folder / VOCABULARY_FILE, self.prepare_again).split("\n")[:-1])
        self.verify(folder, meta, self.describe(splits, codes, vocabulary))
        content = {"splits": splits, "vocabulary": vocabulary, "counts": meta["counts"]}
        return ParallelData(**self.identity(meta), parallel_set=self, folder=folder, **content)

    def tokens(self, lines: Sequence[str], language: str, *, straighten: bool) -> list[str]:
        """Tokens of each sentence, separated by spaces; ``straighten``: its apostrophes first."""
        lines = [steps.straighten(line) for line in lines] if straighten else lines
        return steps.tokenise(lines, self.tokenisers.get(language, language))

    def as_symbols(self, lines: Sequence[str], language: str, codes: str) -> list[str]:
        """New sentences as BPE symbols separated by spaces: prepared as the test sets are."""
        tokenised = self.tokens(lines, language, straighten=self.straighten)
        if self.lower_case:
            tokenised = [line.lower() for line in tokenised]
        return steps.apply_codes(codes, tokenised)

    def _check(self, file: RemoteFile, mirror: Path | None, path: Path) -> None:
        check(self, file.name, path)

    def _edition(self, edition: str, fetched: Sequence[FetchedFile]) -> str:
        [file, *others] = self.editions[edition]
        # Without a pinned sum, only the sum that was found tells one edition from another.
        known = file.sha256 is not None or others
        return edition if known else f"{edition}, sha256 {fetched[0].sha256[:12]}"


@dataclass(frozen=True, eq=False, kw_only=True)
class ParallelData(Prepared):
    """A prepared parallel text."""

    parallel_set: ParallelSet = field(repr=False)
    splits: dict[str, ParallelSplit] = field(repr=False)
    """`train`, `valid`, then the test sets; `test` is the main one."""
    vocabulary: tuple[str, ...] = field(repr=False)
    """Symbols of both sides of the training text, the most frequent first; no special ones."""
    folder: Path
    counts: dict[str, dict[str, int]]
    """Split -> how many pairs were `read`, dropped by each rule, moved `to_valid`, and `kept`."""

    @property
    def summary(self) -> str:
        """Its size in words, and what was dropped of it."""
        sizes = base.in_words(self.splits, "pairs")
        totals = {rule: sum(counts.get(rule, 0) for counts in self.counts.values()) for rule in DROPPED}
        dropped = ", ".join(f"{n:,} {rule}" for rule, n in totals.items() if n)
        return f"{sizes}, {len(self.vocabulary):,} symbols; dropped: {dropped or 'none'}"


def _clean(
    parallel_set: ParallelSet, released: Splits, dropped: Counts
) -> tuple[dict[str, ParallelSplit], dict[str, dict[str, int]]]:
    """The splits, tokenised and cleaned but not yet in BPE, and the counts of pairs."""
    splits: dict[str, ParallelSplit] = {}
    counts: dict[str, dict[str, int]] = {}
    for split, raw in released.items():
        is_train = split == "train"
        straighten = parallel_set.straighten and not is_train
        tokenised = {
            language: parallel_set.tokens(lines, language, straighten=straighten)
            for language, lines in raw.items()
        }
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
            said = f"no {split} pair is left of {counted['read']:,}: delete the raw files"
            raise DataError(f"{parallel_set.name}: {said} and run `redrop fetch {parallel_set.name}` again.")
    return splits, counts


def _take(raw: Pairs, tokenised: Pairs, rows: Sequence[int], lower_case: bool) -> ParallelSplit:
    """Some of the pairs, without BPE."""
    raw = {language: [lines[row] for row in rows] for language, lines in raw.items()}
    tokenised = {language: [lines[row] for row in rows] for language, lines in tokenised.items()}
    if lower_case:
        tokenised = {language: [line.lower() for line in lines] for language, lines in tokenised.items()}
    return ParallelSplit(raw, tokenised, {})
