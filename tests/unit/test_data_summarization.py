"""Documents with summaries: the real files, what is cleaned and what refused, the generated set.

The tests that ask for `mirror` read real files from the folder that REDROP_MIRROR names. Nothing
reaches a network.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pooch
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from redrop import data
from redrop.data import of_family
from redrop.data.base import fingerprint
from redrop.data.sets.summarization import toy_summaries as summarization_toy
from redrop.data.sets.summarization._cnn import REVISION as CNN_REVISION
from redrop.data.sets.summarization.dialogsum import COMMIT as DIALOGSUM_COMMIT
from redrop.data.summarization import (
    SPECIAL_TOKENS,
    SPLITS,
    SummaryData,
    SummarySet,
    SummarySplit,
    clean,
    git_blob,
    learn_tokenizer,
    part,
)
from redrop.data.summarization_files import read_rows
from redrop.errors import ConfigError, DataError
from redrop.evaluation.summarization import SPLITTERS
from support import make_mirror

SETS = {one.name: one for one in of_family("summarization")}
SOURCE_ROOT = Path(data.__file__).parents[2]

pytestmark = pytest.mark.usefixtures("offline")


def make(name: str, folder: Path, mirror: Path | None = None) -> SummaryData:
    data.fetch(name, folder / "raw", mirror)
    return data.prepare(name, folder / "raw", folder / "prepared")


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> SummaryData:
    return make("toy_summaries", tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="session")
def dialogsum(mirror, tmp_path_factory) -> SummaryData:
    """As it is, but for a tokenizer learned on fewer examples, which takes seconds less."""
    folder = tmp_path_factory.mktemp("dialogsum")
    data_set = dataclasses.replace(SETS["dialogsum"], learned_on=1000)
    data_set.fetch(folder / "raw", mirror)
    return data_set.prepare(folder / "raw", folder / "prepared")


@pytest.fixture(scope="session")
def sample(mirror, tmp_path_factory) -> SummaryData:
    return make("cnn_dailymail_sample", tmp_path_factory.mktemp("sample"), mirror)


# What the data sets are


def test_every_set_is_a_data_set():
    assert data.names("summarization") == tuple(SETS)
    for name, summary_set in SETS.items():
        assert (summary_set.name, data.get(name).name) == (name, name)
        assert summary_set.sentences in SPLITTERS
        assert hash(summary_set)
        for files in summary_set.editions.values():
            assert {file.split for file in files} == set(summary_set.rows) or summary_set.generated
        if not summary_set.held_out:
            assert tuple(summary_set.rows) == SPLITS
    with pytest.raises(ConfigError, match=r"unknown data set 'xsum'\. Known: cnn_dailymail, "):
        data.get("xsum")


def test_addresses_are_pinned():
    for name, revision in (("cnn_dailymail", CNN_REVISION), ("dialogsum", DIALOGSUM_COMMIT)):
        (remotes,) = SETS[name].editions.values()
        assert all(f"/{revision}/" in remote.url for remote in remotes)
        assert len(revision) == 40
        assert len({remote.name for remote in remotes}) == len(remotes)
    splits = [file.split for file in SETS["cnn_dailymail"].editions[f"hub {CNN_REVISION[:12]}"]]
    assert splits.count("train") == 3


def test_importing_is_light():
    code = "import sys; from redrop import data; data.get('dialogsum'); print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(SOURCE_ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    heavy = {"torch", "pyarrow", "pooch", "requests", "numpy", "pandas", "tokenizers"}
    assert not heavy & set(done.stdout.split())


# The real files


def test_the_real_dialogues(dialogsum, mirror):
    assert {name: len(split) for name, split in dialogsum.splits.items()} == SETS["dialogsum"].rows
    assert dialogsum.origin == "mirror"
    for split, file, keys in (
        ("train", "train", ["summary"]),
        ("valid", "dev", ["summary"]),
        ("test", "test", ["summary1", "summary2", "summary3"]),
    ):
        with (mirror / f"dialogsum/dialogsum.{file}.jsonl").open(encoding="utf-8", newline="\n") as stream:
            official = [json.loads(line) for line in stream]
        rows = dialogsum.splits[split]
        assert rows.ids == [row["fname"] for row in official]
        assert rows.documents == [row["dialogue"].strip() for row in official]
        assert rows.summaries == [[row[key].strip() for key in keys] for row in official]
    none = {"empty_document": 0, "empty_summary": 0, "without_summary": 0}
    rows = SETS["dialogsum"].rows
    assert dialogsum.counts == {split: {"read": rows[split], **none} for split in SPLITS}
    assert "12,460 train examples, 500 valid" in dialogsum.summary
    assert "dropped: nothing" in dialogsum.summary


def test_other_editions_of_the_dialogues_are_named(dialogsum):
    """The copies of dev and of the pinned commit are the same file; train and test may not be."""
    ((edition, files),) = SETS["dialogsum"].editions.items()
    raw = dialogsum.folder.parent / "raw"
    others = []
    for remote in files:
        content = (raw / remote.name).read_bytes()
        if remote.sha256 is None:
            blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
            same = blob == SETS["dialogsum"].git_blobs[remote.name]
        else:
            same = hashlib.sha256(content).hexdigest() == remote.sha256
        others += [] if same else [remote.name]
    assert "dialogsum.dev.jsonl" not in others
    expected = edition + (f", but for other editions of {', '.join(others)}" if others else "")
    assert dialogsum.edition == expected
    # What was fetched stays, also without the mirror.
    assert data.fetch("dialogsum", raw).edition == expected


def test_the_tokenizer_of_the_dialogues(dialogsum):
    tokenizer = Tokenizer.from_file(str(dialogsum.tokenizer_file))
    assert tokenizer.get_vocab_size() == 8000
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3]
    for text in (dialogsum.splits["test"].documents[0], "日本 \x00 – naïve\n#Person1#: <s>?"):
        ids = tokenizer.encode(text).ids
        assert (ids[0], ids[-1]) == (0, 2)
        assert 3 not in ids
        if "<s>" not in text:
            assert tokenizer.decode(ids) == f" {text}"


def test_the_sample_is_no_whole(sample, mirror):
    assert sample.name == "cnn_dailymail_sample"
    assert sample.edition == "sample: 1,000 validation articles, csv"
    assert {name: len(split) for name, split in sample.splits.items()} == {
        "train": 800,
        "valid": 100,
        "test": 100,
    }
    with (mirror / "cnn_dailymail/validation_1000.csv").open(encoding="utf-8", newline="") as stream:
        official = {row["id"]: row for row in csv.DictReader(stream)}
    ids = [identifier for split in sample.splits.values() for identifier in split.ids]
    assert sorted(ids) == sorted(official)
    for split in sample.splits.values():
        for identifier, document, summaries in zip(*split.columns().values(), strict=True):
            assert document == official[identifier]["article"].strip()
            assert summaries == [official[identifier]["highlights"].strip()]
        # Each part keeps the order of the file.
        places = list(map(list(official).index, split.ids))
        assert places == sorted(places)
    documents = [set(split.documents) for split in sample.splits.values()]
    assert sum(map(len, documents)) == len(set.union(*documents)) == 1000
    # Line breaks inside quotes are kept: a highlight a line.
    assert sum(summaries[0].count("\n") > 0 for summaries in sample.splits["train"].summaries) > 700


def test_the_whole_is_not_replaced_by_the_sample(tmp_path, mirror):
    with pytest.raises(DataError) as caught:
        data.fetch("cnn_dailymail", tmp_path, mirror)
    for wanted in (
        f"https://huggingface.co/datasets/abisee/cnn_dailymail/resolve/{CNN_REVISION}/3.0.0/train-00000-of-",
        f"{mirror}/cnn_dailymail/hub/train-00000-of-00003.parquet",
        "There is a smaller data set: `redrop fetch cnn_dailymail_sample`",
    ):
        assert wanted in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# Getting them


@pytest.mark.parametrize("name", ["cnn_dailymail", "cnn_dailymail_sample", "dialogsum"])
def test_offline_without_a_mirror_nothing_is_made_up(tmp_path, name):
    with pytest.raises(DataError, match=r"cannot get .* from https://.*REDROP_MIRROR"):
        data.fetch(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def hub_file(folder: Path, first: int, count: int) -> bytes:
    numbers = range(first, first + count)
    columns = {
        "article": [f"Article {n} ." for n in numbers],
        "highlights": [f"First of {n} .\nSecond ." for n in numbers],
        "id": [f"{n:040x}" for n in numbers],
    }
    pq.write_table(pa.table(columns), folder / "made.parquet")
    return (folder / "made.parquet").read_bytes()


def unpinned(name: str, edition: int, **rows: int) -> SummarySet:
    """The data set without sums, and with other official numbers of rows."""
    summary_set = SETS[name]
    editions = {
        title: tuple(dataclasses.replace(file, sha256=None, mirror_sha256=()) for file in files)
        for title, files in list(summary_set.editions.items())[edition:]
    }
    return dataclasses.replace(summary_set, rows=rows, editions=editions, vocabulary=300)


def test_the_complete_edition_is_read_from_the_hubs_files(tmp_path):
    sizes = {"train-00000-of-00003": 4, "train-00001-of-00003": 3, "train-00002-of-00003": 2}
    sizes |= {"validation-00000-of-00001": 2, "test-00000-of-00001": 3}
    files, first = {}, 0
    for name, count in sizes.items():
        files[f"cnn_dailymail/hub/{name}.parquet"] = hub_file(tmp_path, first, count)
        first += count
    mirror = make_mirror(tmp_path / "mirror", files)
    data_set = unpinned("cnn_dailymail", 0, train=9, valid=2, test=3)
    source = data_set.fetch(tmp_path / "raw", mirror)
    assert (source.edition, source.origin, len(source.files)) == (f"hub {CNN_REVISION[:12]}", "mirror", 5)
    prepared = data_set.prepare(tmp_path / "raw", tmp_path / "prepared")
    numbers = {name: [int(identifier, 16) for identifier in s.ids] for name, s in prepared.splits.items()}
    assert numbers == {"train": list(range(9)), "valid": [9, 10], "test": [11, 12, 13]}
    assert prepared.splits["train"].documents[5] == "Article 5 ."
    assert prepared.splits["test"].summaries[0] == ["First of 11 .\nSecond ."]
    # The same files are not the official ones.
    official = dataclasses.replace(data_set, rows=SETS["cnn_dailymail"].rows)
    with pytest.raises(
        DataError, match=r"wrong number of train rows: expected 287113, found 9.*redrop fetch"
    ):
        official.prepare(tmp_path / "raw", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_sample_can_be_the_first_rows_of_the_hubs_file(tmp_path):
    name = "cnn_dailymail/hub/validation-00000-of-00001.parquet"
    mirror = make_mirror(tmp_path / "mirror", {name: hub_file(tmp_path, 0, 1500)})
    data_set = unpinned("cnn_dailymail_sample", 1, articles=1000)
    assert data_set.fetch(tmp_path / "raw", mirror).edition.startswith("sample: first 1,000 validation")
    prepared = data_set.prepare(tmp_path / "raw", tmp_path / "prepared")
    ids = [identifier for split in prepared.splits.values() for identifier in split.ids]
    assert sorted(ids) == [f"{n:040x}" for n in range(1000)]
    assert prepared.counts["articles"]["read"] == 1000


def dialogue(number: int, **changes: object) -> str:
    row = {"fname": f"train_{number}", "dialogue": f"#Person1#: {number}?", "summary": f"{number}."}
    return json.dumps(row | changes) + "\n"


def test_a_download_is_checked_as_git_does(tmp_path, monkeypatch):
    content = "".join(map(dialogue, range(3))).encode()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    class Downloader:
        def __init__(self, **kwargs):
            pass

        def __call__(self, url, output_file, pooch):
            output_file.write(content)

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    summary_set = SETS["dialogsum"]
    ((edition, files),) = summary_set.editions.items()
    only_train = dataclasses.replace(summary_set, editions={edition: files[:1]})
    with pytest.raises(DataError, match=rf"expected git blob 0a02b0f0\w+, actual {blob}"):
        only_train.fetch(tmp_path / "raw", None)
    assert list((tmp_path / "raw").iterdir()) == []

    pinned = dataclasses.replace(only_train, git_blobs={"dialogsum.train.jsonl": blob})
    assert pinned.fetch(tmp_path / "raw", None).edition == edition
    # A mirror's own sum is enough, but the edition is named.
    mirror = make_mirror(tmp_path / "mirror", {"dialogsum/dialogsum.train.jsonl": content})
    other = only_train.fetch(tmp_path / "other", mirror)
    assert other.edition == f"{edition}, but for other editions of dialogsum.train.jsonl"


def test_git_ids_by_gits_own(tmp_path):
    """What `git hash-object` prints for an empty file and for one line."""
    for content, blob in (
        (b"", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        (b"hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
    ):
        (tmp_path / "file").write_bytes(content)
        assert git_blob(tmp_path / "file") == blob


def test_a_web_page_is_no_data(tmp_path):
    mirror = make_mirror(tmp_path / "mirror", {"dialogsum/dialogsum.train.jsonl": b"<html>\n"})
    message = r"mirror\) is not the file it should be: dialogsum\.train\.jsonl, line 1: '<html>' is not JSON"
    with pytest.raises(DataError, match=message):
        data.fetch("dialogsum", tmp_path / "raw", mirror)
    assert list((tmp_path / "raw").iterdir()) == []


def test_raw_files_that_changed_are_refused(tmp_path):
    data.fetch("toy_summaries", tmp_path / "raw")
    with (tmp_path / "raw/valid.jsonl").open("a") as stream:
        stream.write("\n")
    with pytest.raises(DataError, match=r"valid\.jsonl changed.*redrop fetch toy_summaries"):
        data.prepare("toy_summaries", tmp_path / "raw", tmp_path / "prepared")
    with pytest.raises(DataError, match=r"source\.json is missing.*redrop fetch dialogsum"):
        data.prepare("dialogsum", tmp_path / "nothing", tmp_path / "prepared")


# Reading


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_json_lines_by_hand(tmp_path):
    content = "\ufeff" + dialogue(0, extra=[1]) + dialogue(1, dialogue="a\u2028b\r\n ", summary="é").strip()
    path = write(tmp_path / "x.jsonl", content)
    assert list(read_rows(path, SETS["dialogsum"], "train")) == [
        ("train_0", "#Person1#: 0?", ["0."]),
        ("train_1", "a\u2028b\r\n ", ["é"]),
    ]
    row = json.dumps({"fname": "t", "dialogue": "d", "summary1": "a", "summary3": "c", "summary2": "b"})
    path = write(tmp_path / "x.jsonl", row)
    assert list(read_rows(path, SETS["dialogsum"], "test")) == [("t", "d", ["a", "b", "c"])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (dialogue(0) + "{'a'}\n", r"line 2: \"\{'a'\}\" is not JSON \(Expecting"),
        (dialogue(0)[:40], r"line 1: .* is not JSON \("),
        (dialogue(0) + "\n" + dialogue(1), r"line 2: '' is not JSON"),
        ("[" * 100_000, r"line 1: '\[+\.\.\. is not JSON"),
        ("[1, 2]\n", r"line 1: '\[1, 2\]' is not an object"),
        ('{"fname": "a", "dialogue": "b"}\n', r"line 1: no key 'summary', only fname, dialogue"),
        (dialogue(0) + dialogue(1, summary=None), r"line 2: the summary is None, not text"),
        (dialogue(0, dialogue=["a"]), r"line 1: the dialogue is \['a'\], not text"),
        (dialogue(0, dialogue="\ud800"), r"line 1: the dialogue has half a character, '\\ud800'"),
        (dialogue(0).encode() + b'{"fname": "\xff"}\n', r"line 2: byte 0xff is not UTF-8"),
    ],
)
def test_bad_json_lines_are_refused_with_file_line_and_value(tmp_path, content, message):
    path = write(tmp_path / "dialogsum.train.jsonl", content)
    with pytest.raises(DataError, match=message) as caught:
        list(read_rows(path, SETS["dialogsum"], "train"))
    assert str(path) in str(caught.value)
    assert "run `redrop fetch dialogsum` again" in str(caught.value)


CNN = SETS["cnn_dailymail_sample"]


def test_csv_by_hand(tmp_path):
    content = 'article,highlights,id\n"He said ""a, b"".","One .\nTwo .",7\n\'x,y,8\n'
    path = write(tmp_path / "x.csv", content)
    assert list(read_rows(path, CNN, "articles")) == [
        ("7", 'He said "a, b".', ["One .\nTwo ."]),
        ("8", "'x", ["y"]),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"line 1: no column 'id', only nothing"),
        ("article,id\na,b\n", r"line 1: no column 'highlights', only article, id"),
        ('article,highlights,id\n"a\nb",c,d\ne,f\n', r"line 4: 2 fields, expected 3 \(article, high"),
        ("article,highlights,id\na,b,c\n\n", r"line 3: 0 fields, expected 3"),
        ('article,highlights,id\na,b,c\na,"b\n', r"row from line 3 on: not csv \(unexpected end"),
        ('article,highlights,id\na,"b"c,d\n', r"row from line 2 on: not csv \("),
        (b"article,highlights,id\na,b,\xe9\n", r"line 2: byte 0xe9 is not UTF-8"),
    ],
)
def test_a_bad_csv_is_refused_with_file_line_and_value(tmp_path, content, message):
    path = write(tmp_path / "x.csv", content)
    with pytest.raises(DataError, match=message) as caught:
        list(read_rows(path, CNN, "articles"))
    assert str(path) in str(caught.value)
    assert "run `redrop fetch cnn_dailymail_sample` again" in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"article": ["a"], "id": ["b"]}, r"no column 'highlights', only article, id"),
        (
            {"article": ["a", None], "highlights": ["b", "c"], "id": ["1", "2"]},
            r"from row 0 on: the column 'article' is string with 1 missing values",
        ),
        ({"article": ["a"], "highlights": [3], "id": ["1"]}, r"the column 'highlights' is int64"),
        (
            {
                "article": pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"]).buffers()),
                "highlights": ["b"],
                "id": ["1"],
            },
            r"from row 0 on: cannot be read as parquet \('utf-8' codec",
        ),
    ],
)
def test_a_bad_hub_file_is_refused(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=message) as caught:
        list(read_rows(tmp_path / "x.parquet", SETS["cnn_dailymail"], "train"))
    assert str(tmp_path / "x.parquet") in str(caught.value)
    assert "run `redrop fetch cnn_dailymail` again" in str(caught.value)


def test_what_is_no_parquet_and_what_is_not_there_is_refused(tmp_path):
    for name in ("x.parquet", "x.jsonl", "x.csv"):
        with pytest.raises(DataError, match=rf"{name} is missing\. Run `redrop fetch cnn_dailymail`"):
            list(read_rows(tmp_path / name, SETS["cnn_dailymail"], "train"))
    with pytest.raises(DataError, match=r"cannot be read as parquet"):
        list(read_rows(write(tmp_path / "x.parquet", b"<html>"), SETS["cnn_dailymail"], "train"))


def test_cleaning_by_hand():
    rows = [
        ("a", " text \n", ["one ", " "]),
        ("b", " \n", ["one"]),
        ("c", "text", ["", "\t", " "]),
        ("d", "te  xt\n\nmore", ["two\nlines"]),
    ]
    split, counts = clean(rows)
    assert list(zip(*split.columns().values(), strict=True)) == [
        ("a", "text", ["one"]),
        ("d", "te  xt\n\nmore", ["two\nlines"]),
    ]
    assert counts == {"read": 4, "empty_document": 1, "empty_summary": 4, "without_summary": 1}


def test_dropped_rows_are_counted_where_they_can_be_read(tmp_path):
    lines = [dialogue(0), dialogue(1, dialogue=" "), dialogue(2, summary="")]
    path = write(tmp_path / "x.jsonl", "".join(lines))
    _, counts = clean(read_rows(path, SETS["dialogsum"], "train"))
    prepared = SummaryData(
        name="dialogsum", origin="mirror", edition="e", sha256="0", splits={}, folder=tmp_path,
        counts={"train": counts},
    )  # fmt: skip
    text = "(e; dropped: 1 empty document in train, 1 empty summary in train, 1 without summary in train)"
    assert prepared.summary.endswith(text)


# Parting


def test_parting_by_hand():
    """The sha256 of `a` begins with ca, of `b` with 3e, of `c` with 2e, of `d` with 18, of `e` with 3f."""
    split = SummarySplit(list("abcde"), list("ABCDE"), [[letter] for letter in "vwxyz"])
    parts = part(split, {"valid": 1, "test": 2})
    assert {name: rows.ids for name, rows in parts.items()} == {
        "train": ["a", "e"],
        "valid": ["d"],
        "test": ["b", "c"],
    }
    assert tuple(parts) == SPLITS
    assert (parts["test"].documents, parts["test"].summaries) == (["B", "C"], [["w"], ["x"]])
    with pytest.raises(DataError, match="holding out 5 of 5 rows leaves none"):
        part(split, {"valid": 2, "test": 3})


# Prepared folders


def edit_meta(folder: Path, **changes) -> None:
    path = folder / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_rows(folder: Path) -> None:
    table = pq.read_table(folder / "test.parquet")
    summaries = table.column("summaries").to_pylist()
    summaries[7][0] += "."
    pq.write_table(table.set_column(2, "summaries", pa.array(summaries)), folder / "test.parquet")


def drop_column(folder: Path) -> None:
    table = pq.read_table(folder / "test.parquet")
    pq.write_table(table.drop_columns(["document"]), folder / "test.parquet")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (edit_rows, r"do not match meta\.json: its sha256 is"),
        (drop_column, r"test\.parquet has no column 'document', only id, summaries"),
        (lambda f: shutil.copy(f / "train.parquet", f / "test.parquet"), r"its rows is \{'test': 100"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), r"its tokenizer_sha256 is"),
        (lambda f: (f / "tokenizer.json").unlink(), r"tokenizer\.json is missing"),
        (lambda f: edit_meta(f, sha256="0" * 64), r"its sha256 is '0000"),
        (lambda f: edit_meta(f, name="xsum"), r"holds 'xsum', not 'toy_summaries'"),
        (lambda f: edit_meta(f, format=1), r"not a set of summaries description of format 'summaries 1'"),
        (lambda f: edit_meta(f, origin=None), r"origin missing or of the wrong kind"),
        (lambda f: edit_meta(f, counts=3), r"counts missing or of the wrong kind"),
        (lambda f: (f / "meta.json").write_text("{"), r"meta\.json is damaged"),
        (lambda f: (f / "meta.json").unlink(), r"meta\.json is missing: no prepared set of summaries"),
        (lambda f: (f / "valid.parquet").unlink(), r"valid\.parquet is missing"),
        (lambda f: (f / "valid.parquet").write_bytes(b"PAR1"), r"valid\.parquet cannot be read"),
    ],
)
def test_a_prepared_folder_that_was_edited_is_refused(tmp_path, toy, edit, message):
    folder = tmp_path / "toy_summaries"
    shutil.copytree(toy.folder, folder)
    assert data.get("toy_summaries").load(folder).sha256 == toy.sha256
    edit(folder)
    with pytest.raises(DataError, match=message) as caught:
        data.get("toy_summaries").load(folder)
    assert "redrop prepare toy_summaries" in str(caught.value)


def test_meta_says_what_was_prepared(toy):
    meta = json.loads((toy.folder / "meta.json").read_text())
    assert set(meta.pop("raw_sha256")) == {"train.jsonl", "valid.jsonl", "test.jsonl"}
    assert meta.pop("tokenizer_sha256") == hashlib.sha256(toy.tokenizer_file.read_bytes()).hexdigest()
    assert meta.pop("sha256") == toy.sha256
    none = {"empty_document": 0, "empty_summary": 0, "without_summary": 0}
    rows = {"train": 800, "valid": 100, "test": 100}
    assert meta == {
        "format": "summaries 1",
        "name": "toy_summaries",
        "origin": "generated",
        "edition": "toy 1",
        "vocabulary": 364,
        "rows": rows,
        "counts": {split: {"read": n, **none} for split, n in rows.items()},
    }
    schema = pq.read_schema(toy.folder / "train.parquet")
    assert schema.names == ["id", "document", "summaries"]
    assert sorted(path.name for path in toy.folder.iterdir()) == [
        "meta.json",
        "test.parquet",
        "tokenizer.json",
        "train.parquet",
        "valid.parquet",
    ]


def test_the_fingerprint_by_hand():
    split = SummarySplit(["a", "b"], ["\u00e9", "x\ny"], [["s"], ["t", "u"]])
    lines = b'["test",2]\n["a","\\u00e9",["s"]]\n["b","x\\ny",["t","u"]]\n'
    assert fingerprint({"test": split}) == hashlib.sha256(lines).hexdigest()


# The tokenizer


def test_the_tokenizer_by_hand():
    """`ab` is the commonest pair, then `ab` behind a space; nothing else is left with 262 tokens."""
    tokenizer = learn_tokenizer(["ab ab", "ab c"], 262)
    assert tokenizer.get_vocab_size() == 262 == 4 + 256 + 2
    assert tokenizer.encode("ab c").tokens == ["<s>", "Ġab", "Ġ", "c", "</s>"]
    assert tokenizer.decode(tokenizer.encode("cab é").ids) == " cab é"
    assert learn_tokenizer(["ab ab", "ab c"], 100).get_vocab_size() == 260


def test_a_word_of_the_toy_is_one_token(toy):
    tokenizer = Tokenizer.from_file(str(toy.tokenizer_file))
    documents = [document for split in toy.splits.values() for document in split.documents]
    assert len({word for document in documents for word in document.split()}) == 30
    for text in (*toy.splits["test"].documents, *(s for (s,) in toy.splits["test"].summaries)):
        encoded = tokenizer.encode(text)
        assert [token.removeprefix("Ġ") for token in encoded.tokens[1:-1]] == text.split()
        assert tokenizer.decode(encoded.ids).strip() == text


# The generated set


def test_every_generated_summary_is_true(toy):
    assert (toy.origin, toy.edition) == ("generated", "toy 1")
    fillers, known = set(summarization_toy.FILLERS), set().union(*summarization_toy.WORDS)
    for split in toy.splits.values():
        for document, (summary,) in zip(split.documents, split.summaries, strict=True):
            sentences = [sentence.split() for sentence in document.removesuffix(" .").split(" . ")]
            assert len(sentences) == 3
            (marked,) = [words for words in sentences if "news" in words]
            assert marked[0] == "news"
            assert summary.split() == [word for word in marked[1:] if word not in fillers] + ["."]
            assert len(summary.split()) == 4
            assert set(summary.split()[:3]) <= known


def test_the_truth_by_hand():
    document = "ben sees maps . news anna really takes just boats . emma quite hides birds ."
    assert summarization_toy.truth(document) == "anna takes boats ."
    with pytest.raises(ValueError, match="no sentence begins with 'news'"):
        summarization_toy.truth("anna sees news .")


def test_no_document_is_in_two_splits_and_marks_are_everywhere(toy):
    documents = [document for split in toy.splits.values() for document in split.documents]
    assert len(set(documents)) == len(documents) == 1000
    places = [document[: document.index("news")].count(" .") for document in documents]
    assert all(280 < places.count(place) < 390 for place in range(3))


def test_generated_and_learned_bytes_do_not_depend_on_the_process(tmp_path):
    code = (
        "import sys; from redrop import data; name, root = sys.argv[1:]; "
        "data.fetch(name, root + '/raw'); data.prepare(name, root + '/raw', root + '/prepared')"
    )
    for seed in ("1", "2"):
        environment = os.environ | {
            "PYTHONPATH": str(SOURCE_ROOT),
            "PYTHONHASHSEED": seed,
            "RAYON_NUM_THREADS": seed,
        }
        command = [sys.executable, "-c", code, "toy_summaries", str(tmp_path / seed)]
        subprocess.run(command, env=environment, check=True)
    files = sorted(path.relative_to(tmp_path / "1") for path in (tmp_path / "1").glob("*/*"))
    assert len(files) == 9
    for file in files:
        assert (tmp_path / "1" / file).read_bytes() == (tmp_path / "2" / file).read_bytes()
    # Rows that change need another name in summarization_toy.EDITION.
    assert data.get("toy_summaries").load(tmp_path / "1/prepared").sha256.startswith("5c3915ee1270")


def test_the_tokenizer_of_real_text_is_the_same_again(sample, tmp_path):
    texts = sample.splits["test"].documents
    first, again = (learn_tokenizer(texts, 3000).to_str() for _ in range(2))
    assert first == again


def test_a_tokenizer_is_learned_on_examples_spread_over_train(tmp_path):
    """Of 800, at most 300: every third one, 267 of them, from the first on."""
    few = dataclasses.replace(SETS["toy_summaries"], learned_on=300)
    few.fetch(tmp_path / "raw", None)
    prepared = few.prepare(tmp_path / "raw", tmp_path / "prepared")
    train = prepared.splits["train"].take(range(0, 800, 3))
    texts = [*train.documents, *(summary for (summary,) in train.summaries)]
    assert len(texts) == 2 * 267
    assert learn_tokenizer(texts, 400).to_str() == prepared.tokenizer_file.read_text(encoding="utf-8")
