"""The data sets themselves: their counts, editions and determinism, without a network.

The tests marked `mirror` read real files from the folder that REDROP_MIRROR names.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from redrop import data
from redrop.data.ascii_rule import to_ascii
from redrop.data.corpus import load_corpus
from redrop.data.sets.corpus import pride_prejudice, python_code, python_docs, wikitext2
from redrop.errors import ConfigError, DataError
from support import make_mirror, text_of, toy_text

MIRROR = os.environ.get("REDROP_MIRROR")
SOURCE_ROOT = Path(data.__file__).parents[2]
needs_mirror = pytest.mark.skipif(not MIRROR, reason="set REDROP_MIRROR to a folder with the real files")
pytestmark = pytest.mark.usefixtures("offline")


def parquet_bytes(**columns) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def source_json(folder: Path) -> dict:
    return json.loads((folder / "source.json").read_text())


@pytest.mark.parametrize("name", data.names())
def test_every_data_set_offers_the_same_things(name):
    data_set = data.get(name)
    assert name == data_set.name
    assert data_set.about
    assert data_set.license
    assert callable(data_set.fetch)
    assert callable(data_set.prepare)
    assert name in data.names(data_set.family)
    assert data_set.generated == ("toy" in name) == data.is_generated(name)
    assert data_set.generated == data_set.about.startswith("generated")


def test_an_unknown_name_lists_the_names_and_suggests_one():
    with pytest.raises(ConfigError, match=r"'tiny-shakespear'. Did you mean 'tiny_shakespeare'?"):
        data.get("tiny-shakespear")
    with pytest.raises(ConfigError, match="Known: cnn_dailymail, cnn_dailymail_sample, dialogsum") as caught:
        data.get("zzz")
    assert "Did you mean" not in str(caught.value)
    with pytest.raises(ConfigError):
        data.get("corpus")  # a module of the package, but no data set
    with pytest.raises(ConfigError):
        data.get("_iwslt")  # what several data sets share
    assert not data.is_generated("toy")  # nor is this one


def test_importing_the_package_is_light():
    code = "import sys, redrop.data; print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(SOURCE_ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    heavy = {"torch", "pyarrow", "pooch", "requests", "numpy", "pandas"}
    assert not heavy & set(done.stdout.split())


@needs_mirror
def test_tiny_shakespeare_against_an_independent_count(tmp_path):
    data.fetch("tiny_shakespeare", tmp_path / "raw", MIRROR)
    corpus = data.prepare("tiny_shakespeare", tmp_path / "raw", tmp_path / "prepared")
    text = (Path(MIRROR) / "char/tinyshakespeare.txt").read_bytes().decode("ascii")
    assert len(corpus.train) + len(corpus.val) == len(text) == 1_115_394
    assert len(corpus.train) == 1_003_854
    assert len(corpus.val) == 111_540
    counts = Counter(text)
    assert corpus.vocab_size == len(counts) == 65
    assert list(corpus.vocab) == sorted(counts)
    train = Counter(corpus.train.tolist()) + Counter(corpus.val.tolist())
    assert {corpus.vocab[i]: n for i, n in train.items()} == dict(counts)
    assert text_of(corpus, corpus.val) == text[1_003_854:]
    assert load_corpus(tmp_path / "prepared").sha256 == corpus.sha256
    [file] = source_json(tmp_path / "raw")["files"]
    assert file == {
        "file": "tinyshakespeare.txt",
        "sha256": "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        "bytes": 1_115_394,
        "origin": "mirror",
        "address": "char/tinyshakespeare.txt",
    }


@needs_mirror
def test_the_mirror_may_come_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("REDROP_MIRROR", MIRROR)
    assert data.fetch("tiny_shakespeare", tmp_path).origin == "mirror"


@needs_mirror
def test_the_authors_pride_and_prejudice_is_kept_as_it_is(tmp_path):
    record = data.fetch("pride_prejudice", tmp_path / "raw", MIRROR)
    assert (record.edition, record.origin) == ("authors", "mirror")
    corpus = data.prepare("pride_prejudice", tmp_path / "raw", tmp_path / "prepared")
    text = (Path(MIRROR) / "char/pg1342.txt").read_bytes().decode("utf-8")
    assert text[0] == "\ufeff"
    assert "Gutenberg" in text[-1000:]
    assert text_of(corpus, corpus.train) + text_of(corpus, corpus.val) == text
    assert corpus.edition == "authors"
    assert corpus.vocab == tuple(sorted(set(text)))


def test_an_unknown_pride_and_prejudice_is_refused(tmp_path):
    mirror = make_mirror(tmp_path / "m", {"char/pg1342.txt": b"It is a truth"})
    with pytest.raises(DataError, match=r"edition .* not known"):
        data.fetch("pride_prejudice", tmp_path / "raw", mirror)
    assert list((tmp_path / "raw").iterdir()) == []


def test_both_editions_of_pride_and_prejudice_are_told_apart():
    assert sorted(pride_prejudice.EDITIONS.values()) == ["authors", "public"]
    assert pride_prejudice.EDITIONS[pride_prejudice.PUBLIC] == "public"


@pytest.mark.parametrize("name", ["tiny_shakespeare", "pride_prejudice", "wikitext2"])
def test_offline_without_a_mirror_nothing_is_made_up(tmp_path, name):
    with pytest.raises(DataError, match=r"https://.*REDROP_MIRROR"):
        data.fetch(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


ROWS = {
    "train": ["", " = Robert = \n", "", *toy_text(500, 1).splitlines(keepends=True)],
    "validation": ["", " = Z\u00fcrich = \n", ""],
}


@pytest.fixture
def wikitext_mirror(tmp_path, monkeypatch):
    """A small stand-in for the parquet files, with the train file's sum pinned accordingly."""
    contents = {split: parquet_bytes(text=rows) for split, rows in ROWS.items()}
    train = hashlib.sha256(contents["train"]).hexdigest()
    (edition,) = wikitext2.DATA_SET.editions.values()
    files = (replace(edition[0], sha256=train, mirror_sha256=(train,), size=None), edition[1])
    monkeypatch.setattr(wikitext2, "DATA_SET", replace(wikitext2.DATA_SET, editions={"small": files}))
    names = {f"wikitext-2/{s}-00000-of-00001.parquet": c for s, c in contents.items()}
    return make_mirror(tmp_path / "mirror", names)


def test_wikitext2_keeps_its_own_split(tmp_path, wikitext_mirror):
    record = data.fetch("wikitext2", tmp_path / "raw", wikitext_mirror)
    assert [file.origin for file in record.files] == ["mirror", "mirror"]
    corpus = data.prepare("wikitext2", tmp_path / "raw", tmp_path / "prepared")
    assert text_of(corpus, corpus.train) == "".join(ROWS["train"])
    assert text_of(corpus, corpus.val) == " = Z\u00fcrich = \n"
    assert corpus.vocab == tuple(sorted(set("".join(ROWS["train"] + ROWS["validation"]))))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>not found</html>", "cannot be read as parquet"),
        (parquet_bytes(line=["a"]), "no column 'text'"),
        (parquet_bytes(text=[1, 2]), "other than text"),
        (parquet_bytes(text=["", ""]), "no text"),
    ],
)
def test_a_wikitext2_file_without_a_sum_must_be_parquet_text(tmp_path, wikitext_mirror, content, message):
    name = "wikitext-2/validation-00000-of-00001.parquet"
    train = "wikitext-2/train-00000-of-00001.parquet"
    files = {train: (wikitext_mirror / train).read_bytes(), name: content}
    make_mirror(wikitext_mirror, files)
    with pytest.raises(DataError, match=message):
        data.fetch("wikitext2", tmp_path / "raw", wikitext_mirror)
    assert [path.name for path in (tmp_path / "raw").glob("[!.]*")] == ["train-00000-of-00001.parquet"]


INTERPRETER_SETS = ["python_docs", "python_code"]


@pytest.mark.parametrize("name", INTERPRETER_SETS)
def test_interpreter_texts_are_plain_and_large_enough(tmp_path, name):
    data.fetch(name, tmp_path / "raw")
    corpus = data.prepare(name, tmp_path / "raw", tmp_path / "prepared")
    assert set(corpus.vocab) <= {"\n", *map(chr, range(32, 127))}
    least, most = {"python_docs": (1.2e5, 1.3e5), "python_code": (1.09e6, 1.15e6)}[name]
    assert least < len(corpus.train) + len(corpus.val) < most
    assert corpus.origin == "interpreter"
    assert sys.version.split()[0] in corpus.edition
    assert source_json(tmp_path / "raw")["edition"] == corpus.edition


@pytest.mark.parametrize("name", INTERPRETER_SETS)
def test_interpreter_texts_do_not_depend_on_the_process(tmp_path, name):
    code = (
        "import sys; from redrop import data; name, root = sys.argv[1:]; "
        "data.fetch(name, root + '/raw'); data.prepare(name, root + '/raw', root + '/prepared')"
    )
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONPATH": str(SOURCE_ROOT), "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, name, str(tmp_path / seed)]
        subprocess.run(command, env=environment, check=True)
    data.fetch(name, tmp_path / "here/raw")
    data.prepare(name, tmp_path / "here/raw", tmp_path / "here/prepared")
    files = [path.relative_to(tmp_path / "1") for path in (tmp_path / "1").glob("*/*")]
    assert len(files) == 5
    for file in files:
        content = (tmp_path / "1" / file).read_bytes()
        assert content == (tmp_path / "2" / file).read_bytes()
        assert content == (tmp_path / "here" / file).read_bytes()


def test_a_fetched_interpreter_text_is_not_replaced_by_another_pythons(tmp_path, monkeypatch):
    first = data.fetch("python_docs", tmp_path)
    monkeypatch.setattr("platform.python_version", lambda: "3.99.0")
    assert data.fetch("python_docs", tmp_path) == first
    (tmp_path / "topics.txt").unlink()
    assert data.fetch("python_docs", tmp_path).edition.endswith("3.99.0")


def test_a_python_without_its_texts_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match=r"no pydoc_data.*redrop fetch python_docs"):
        data.fetch("python_docs", tmp_path)
    monkeypatch.setattr(python_code.sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(DataError, match=r"holds only 0 characters.*redrop fetch python_code"):
        data.fetch("python_code", tmp_path)


def test_python_code_takes_only_the_library_s_own_modules(tmp_path, monkeypatch):
    for name, text in {"zipapp": "b", "abc": "a\r\n", "sitecustomize": "x", "mine": "x"}.items():
        (tmp_path / f"{name}.py").write_bytes(text.encode())
    monkeypatch.setattr(python_code.sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(python_code, "ENOUGH_CHARACTERS", 3)
    text, address = python_code._sources()
    assert text == "a\n\nb"
    assert address == "standard library, 2 files, abc.py to zipapp.py"


def test_the_validation_tenth_of_the_docs_repeats_no_training_paragraph(tmp_path):
    data.fetch("python_docs", tmp_path / "raw")
    corpus = data.prepare("python_docs", tmp_path / "raw", tmp_path / "prepared")
    seen = {" ".join(p.split()) for p in text_of(corpus, corpus.train).split("\n\n")}
    held_out = {" ".join(p.split()) for p in text_of(corpus, corpus.val).split("\n\n")}
    assert not {paragraph for paragraph in seen & held_out if len(paragraph) > 20}
    assert python_docs.without_repeats("a b\n\nc\n\na  b\n\nd") == ("a b\n\nc\n\nd", 1)


def test_the_ascii_rule_by_hand():
    text, changed = to_ascii("\u201cna\u00efve\u201d\r\n\tx\u2026\x0c\r")
    assert text == '"nave"\n    x...'
    assert changed == {"replaced": 5, "dropped": 3}


def test_prepare_refuses_raw_files_that_changed(tmp_path):
    data.fetch("python_docs", tmp_path / "raw")
    (tmp_path / "raw/topics.txt").write_text("something else")
    with pytest.raises(DataError, match=r"topics\.txt changed.*redrop fetch python_docs"):
        data.prepare("python_docs", tmp_path / "raw", tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()


def test_load_takes_a_name_and_a_root(tmp_path):
    data.fetch("python_docs", tmp_path / "raw")
    corpus = data.prepare("python_docs", tmp_path / "raw", tmp_path / "root/python_docs")
    assert data.load("python_docs", root=tmp_path / "root").sha256 == corpus.sha256
    with pytest.raises(DataError, match="redrop prepare python_docs"):
        data.load("python_docs", root=tmp_path)
    with pytest.raises(ConfigError, match="Did you mean 'python_docs'"):
        data.load("python_doc", root=tmp_path / "root")


def test_what_metrics_and_provenance_say_of_a_corpus(tmp_path):
    corpus = data.ready("python_docs", tmp_path)
    assert data.ready("python_docs", tmp_path).content == corpus.content  # nothing is fetched again
    assert list(corpus.content) == [
        "name",
        "sha256",
        "edition",
        "vocab_size",
        "train_characters",
        "val_characters",
    ]
    assert corpus.content["vocab_size"] == len(corpus.vocab)
    assert corpus.content["train_characters"] == len(corpus.train)
    assert corpus.source == {
        "name": "python_docs",
        "origin": "interpreter",
        "edition": corpus.edition,
    }


def test_a_folder_of_another_data_set_is_refused(tmp_path):
    data.ready("python_docs", tmp_path)
    (tmp_path / "python_docs").rename(tmp_path / "python_code")
    with pytest.raises(DataError, match=r"holds 'python_docs', not 'python_code'; delete it and prepare"):
        data.ready("python_code", tmp_path)
