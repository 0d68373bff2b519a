"""Reading the released files of a parallel text into pairs of sentences, and refusing what is malformed.

Bytes that are not UTF-8 and sides of different length are refused, with file and line. A line ends at a
newline only, and white space within it becomes single spaces. Sentences without a word are kept here and
dropped, counted, when the text is cleaned.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redrop.data.archives import read_gzip, read_tar, read_zip
from redrop.data.files import decoded, utf8_lines
from redrop.data.translation_steps import part, tidy
from redrop.errors import DataError

if TYPE_CHECKING:
    from redrop.data.translation import ParallelSet

Pairs = dict[str, list[str]]
"""Language -> sentences; those of both languages are as many, and belong together in order."""
Splits = dict[str, Pairs]
Counts = dict[str, Counter[str]]
"""Split -> rule -> what it left out: pairs, or lines of one language (`tag_lines_de`)."""
Files = Mapping[str, Path]
"""What a file is called in errors, which ends in its name -> where it stands."""
Refuse = Callable[[str], DataError]
"""Makes the error of a message that names file, place and value."""

_LEFT_OUT = re.compile(r"</?(?:url|talkid|keywords|speaker|reviewer|translator|doc)\b")
"""Marks, anywhere in a line, of the training lines that are no sentence."""
_UNWRAPPED = re.compile(r"</?(?:title|description)>")
_SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.DOTALL)


def training_text(lines: Sequence[str]) -> tuple[list[str], int]:
    """The sentences among the lines of a `train.tags` file, and how many lines are none.

    Left out are those with `<url>`, `<talkid>` and `<keywords>`, as in the recipe for IWSLT14, and with
    `<speaker>`, `<reviewer>`, `<translator>` and `<doc>`, which later years have. Of `<title>` and
    `<description>` the text inside is kept.
    """
    kept = [tidy(_UNWRAPPED.sub("", line)) for line in lines if not _LEFT_OUT.search(line)]
    return kept, len(lines) - len(kept)


def segments(text: str, what: str, refuse: Refuse) -> list[str]:
    """The text of each `<seg>` of a test set, escapes kept; raises DataError for none, or one not closed."""
    found = [tidy(match) for match in _SEGMENT.findall(text)]
    opened = len(re.findall(r"<seg\b", text))
    if not found or opened != len(found) or any("<seg" in segment for segment in found):
        raise refuse(f"{what}: {opened} <seg> elements, {len(found)} of them whole")
    return found


def read_ted(parallel_set: ParallelSet, files: Files) -> tuple[Splits, Counts]:
    """The splits of an archive of TED talks: tagged training files and test sets in XML."""
    [(archive, path)] = files.items()
    members = {
        (split, name, language): f"{name}.{language}" if split == "train" else f"{name}.{language}.xml"
        for split, names in parallel_set.members.items()
        for name in names
        for language in parallel_set.languages
    }
    source: Path | bytes = path
    if parallel_set.inside:
        source = read_tar(path, [parallel_set.inside], archive, parallel_set.remedy)[parallel_set.inside]
        archive = f"{archive}: {parallel_set.inside}"
    content = read_tar(source, members.values(), archive, parallel_set.remedy)

    refusal = parallel_set.refusal
    splits, counts = {}, {}
    for split, names in parallel_set.members.items():
        splits[split], counts[split] = {language: [] for language in parallel_set.languages}, Counter()
        for name in names:
            pairs = {}
            for language in parallel_set.languages:
                member = members[split, name, language]
                raw, what = content[member], f"{archive}: {member}"
                if split == "train":
                    pairs[language], left_out = training_text(utf8_lines(raw, what, refusal))
                    counts[split][f"tag_lines_{language}"] = left_out
                else:
                    pairs[language] = segments(decoded(raw, what, refusal), what, refusal)
            _check_sides(pairs, f"{archive}: {name}", refusal)
            for language, sentences in pairs.items():
                splits[split][language] += sentences
    return splits, counts


def read_lines(parallel_set: ParallelSet, files: Files) -> tuple[Splits, Counts]:
    """The splits of text files, plain or gzipped, with a sentence a line."""
    by_name = {Path(what).name.removesuffix(".gz"): (what, path) for what, path in files.items()}
    splits: Splits = {}
    for split, (name,) in parallel_set.members.items():
        places = {language: by_name[f"{name}.{language}"] for language in parallel_set.languages}
        splits[split] = {language: _sentences(parallel_set, *place) for language, place in places.items()}
        _check_sides(splits[split], " and ".join(what for what, _ in places.values()), parallel_set.refusal)
    return splits, {split: Counter() for split in splits}


def read_table(parallel_set: ParallelSet, files: Files) -> tuple[Splits, Counts]:
    """The splits made of a zipped table with English, the other language and perhaps a source in columns.

    A pair that comes again is dropped (`repeated`). The rest are parted by the English sentence; from
    validation and test, pairs are dropped whose other side is also a training sentence (`in_train`),
    since the model would have seen it translated.
    """
    [(archive, path)] = files.items()
    [member] = parallel_set.members["train"]
    raw = read_zip(path, [member], archive, parallel_set.remedy)[member]
    lines = utf8_lines(raw, f"{archive}: {member}", parallel_set.refusal)
    unique: dict[tuple[str, str], None] = {}
    for number, line in enumerate(lines, 1):
        fields = line.split("\t")
        if len(fields) not in (2, 3):
            where = f"{archive}: {member}, line {number}"
            raise parallel_set.refusal(f"{where}: {len(fields)} fields, expected 2 or 3")
        unique[tidy(fields[0]), tidy(fields[1])] = None
    pairs = list(unique)
    rows = part([english for english, _ in pairs], parallel_set.shares)
    trained = {pairs[row][1] for row in rows["train"]}
    [other] = [language for language in parallel_set.languages if language != "en"]

    splits, counts = {}, {}
    for split, numbers in rows.items():
        kept = [row for row in numbers if split == "train" or pairs[row][1] not in trained]
        sides = {"en": [pairs[row][0] for row in kept], other: [pairs[row][1] for row in kept]}
        splits[split] = {language: sides[language] for language in parallel_set.languages}
        counts[split] = Counter(in_train=len(numbers) - len(kept))
    counts["train"] = Counter(repeated=len(lines) - len(pairs))
    return splits, counts


READERS = {"ted": read_ted, "lines": read_lines, "table": read_table}
"""Layout -> what reads its files."""


def read(parallel_set: ParallelSet, files: Files) -> tuple[Splits, Counts]:
    """The released pairs of every split, and what was left out; raises DataError, also for other counts."""
    splits, counts = READERS[parallel_set.layout](parallel_set, files)
    for split, expected in parallel_set.rows.items():
        found = len(splits[split][parallel_set.languages[0]])
        if found != expected:
            said = f"a wrong number of {split} pairs: expected {expected:,}, found {found:,}"
            where = f"{', '.join(files)}: {parallel_set.name}"
            raise parallel_set.refusal(f"{where} has {said}. It is not the official data")
    return splits, counts


def check(parallel_set: ParallelSet, what: str, path: Path) -> None:
    """Raises DataError when the file, called `what` in errors, cannot be read as what it should be."""
    if parallel_set.layout == "lines":
        _sentences(parallel_set, what, path)
    else:
        read(parallel_set, {what: path})


def _sentences(parallel_set: ParallelSet, what: str, path: Path) -> list[str]:
    raw = read_gzip(path, what, parallel_set.remedy) if what.endswith(".gz") else path.read_bytes()
    return [tidy(line) for line in utf8_lines(raw, what, parallel_set.refusal)]


def _check_sides(pairs: Mapping[str, Sequence[str]], what: str, refuse: Refuse) -> None:
    (one, first), (other, second) = pairs.items()
    if len(first) != len(second):
        missing = min(len(first), len(second)) + 1
        counts = f"{len(first):,} sentences in {one}, {len(second):,} in {other}"
        raise refuse(f"{what}: {counts}: sentence {missing:,} has no partner")
