"""The character corpus: encoding, splitting, determinism, and refusal of what is damaged."""

from __future__ import annotations

import json
import shutil
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redrop import data
from redrop.data.corpus import (
    Corpus,
    decode_utf8,
    fingerprint,
    load_corpus,
    prepare_corpus,
)
from redrop.errors import DataError
from support import text_of, toy_text

TEXT = toy_text(2_000, seed=1)


def prepare(text, folder, **changes) -> Corpus:
    values = {"name": "toy", "origin": "generated", "edition": "seed 1"}
    return prepare_corpus(text, folder, **(values | changes))


def test_a_hand_worked_text(tmp_path):
    corpus = prepare("banana\nbananas! banan", tmp_path)  # 21 characters, 18 for training
    assert corpus.vocab == ("\n", " ", "!", "a", "b", "n", "s")
    assert corpus.train.tolist() == [4, 3, 5, 3, 5, 3, 0, 4, 3, 5, 3, 5, 3, 6, 2, 1, 4, 3]
    assert corpus.val.tolist() == [5, 3, 5]
    assert corpus.train.dtype == corpus.val.dtype == np.uint16
    assert (corpus.name, corpus.origin, corpus.edition) == ("toy", "generated", "seed 1")


def test_encoding_agrees_with_nanogpt_s_dictionary(tmp_path):
    text = "caf\u00e9 \U0001f600\r\n\ufeff" * 20
    corpus = prepare(text, tmp_path)
    stoi = {c: i for i, c in enumerate(sorted(set(text)))}
    n = len(text)
    assert corpus.train.tolist() == [stoi[c] for c in text[: int(n * 0.9)]]
    assert corpus.val.tolist() == [stoi[c] for c in text[int(n * 0.9) :]]
    assert corpus.vocab_size == len(stoi)
    assert text_of(corpus, corpus.train) + text_of(corpus, corpus.val) == text


def test_a_split_of_its_own_shares_one_vocabulary(tmp_path):
    corpus = prepare("abab", tmp_path, validation="abz")
    assert corpus.vocab == ("a", "b", "z")
    assert text_of(corpus, corpus.train) == "abab"
    assert text_of(corpus, corpus.val) == "abz"


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=20))
def test_any_text_survives_the_round_trip(tmp_path_factory, text):
    corpus = prepare(text, tmp_path_factory.mktemp("corpus"))
    assert text_of(corpus, [*corpus.train, *corpus.val]) == text


def test_the_same_text_gives_the_same_bytes(tmp_path):
    first, second = prepare(TEXT, tmp_path / "a"), prepare(TEXT, tmp_path / "b")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == ["meta.json", "train.npy", "val.npy"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert first.sha256 == second.sha256
    assert prepare(TEXT + "x", tmp_path / "c").sha256 != first.sha256


def test_the_sum_depends_on_where_the_split_falls():
    ids = np.arange(4, dtype=np.uint16)
    assert fingerprint(ids[:2], ids[2:], "abcd") != fingerprint(ids[:3], ids[3:], "abcd")


def test_plain_numpy_reads_the_arrays(tmp_path):
    corpus = prepare(TEXT, tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "train.npy"), corpus.train)


def test_the_arrays_cannot_be_changed_by_accident(tmp_path):
    with pytest.raises(ValueError, match="read-only"):
        prepare(TEXT, tmp_path).train[0] = 1


@pytest.mark.parametrize("name", ["tiny_shakespeare_tenth", "tiny_shakespeare_tenth_trials"])
def test_a_tenth_of_a_text_keeps_its_symbols(name, mirror, shakespeare, tmp_path):
    """Trained on the first 100,000; validated as the whole text is, or on what neither of them has."""
    data.fetch(name, tmp_path / "raw", mirror)
    corpus = data.prepare(name, tmp_path / "raw", tmp_path / "prepared")
    assert corpus.vocab == shakespeare.vocab
    assert corpus.train.tolist() == shakespeare.train[:100_000].tolist()
    held = shakespeare.train[500_000:611_540] if name.endswith("trials") else shakespeare.val
    assert corpus.val.tolist() == held.tolist()
    assert (len(corpus.train), len(corpus.val), corpus.vocab_size) == astuple(data.get(name).size)


@pytest.mark.parametrize("text", ["", "a", "ab", "ten chars."])
def test_empty_and_short_texts_are_refused(tmp_path, text):
    with pytest.raises(DataError, match=r"empty|too short"):
        prepare(text, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_vocabulary_beyond_uint16_is_refused(tmp_path):
    text = "".join(map(chr, range(0x10000, 0x10000 + 2**16 + 1)))
    with pytest.raises(DataError, match="65537 different characters"):
        prepare(text, tmp_path)


def test_invalid_utf8_names_the_byte(tmp_path):
    with pytest.raises(DataError, match=r"raw.txt is not UTF-8 text: byte 0xff at offset 3"):
        decode_utf8(b"abc\xffdef", "raw.txt")
    assert decode_utf8(b"\xef\xbb\xbfa\r\nb\r", "raw.txt") == "\ufeffa\r\nb\r"


@pytest.fixture
def prepared(tmp_path):
    prepare(TEXT, tmp_path / "toy")
    return tmp_path / "toy"


def test_loading_gives_what_preparing_gave(prepared):
    corpus = load_corpus(prepared)
    assert text_of(corpus, corpus.train) + text_of(corpus, corpus.val) == TEXT


@pytest.mark.parametrize("name", ["train.npy", "val.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "extended"])
def test_a_missing_or_damaged_file_is_named_with_the_remedy(prepared, name, damage):
    path = prepared / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "truncated": content[:-3], "extended": content + b"x"}[damage])
    with pytest.raises(DataError) as caught:
        load_corpus(prepared)
    assert name in str(caught.value)
    assert "redrop prepare toy" in str(caught.value)


def test_a_folder_that_does_not_exist_says_how_to_make_it(tmp_path):
    with pytest.raises(DataError, match="redrop prepare wikitext2"):
        load_corpus(tmp_path / "wikitext2")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(1800, np.int64),
        np.zeros((1800, 1), np.uint16),
        np.zeros(1799, np.uint16),
        np.full(1800, 999, np.uint16),
        np.zeros(1800, np.uint16),
    ],
    ids=["type", "shape", "length", "out of vocabulary", "other content"],
)
def test_an_array_that_does_not_fit_is_refused(prepared, array):
    np.save(prepared / "train.npy", array)
    with pytest.raises(DataError, match=r"train\.npy.*redrop prepare toy"):
        load_corpus(prepared)


def test_pickles_are_not_opened(prepared):
    np.save(prepared / "val.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"val\.npy is damaged"):
        load_corpus(prepared)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"n_train": "1800"},
        {"n_val": 0},
        {"vocab": ""},
        {"vocab": "ba"},
        {"vocab": None},
        {"sha256": "0" * 64},
    ],
)
def test_a_description_that_does_not_fit_is_refused(prepared, change):
    meta = json.loads((prepared / "meta.json").read_text())
    (prepared / "meta.json").write_text(json.dumps(meta | change))
    with pytest.raises(DataError, match=r"meta\.json.*redrop prepare toy"):
        load_corpus(prepared)


def test_an_interrupted_second_preparation_does_not_pass_as_the_first(prepared, monkeypatch):
    def fail(path, value):
        raise KeyboardInterrupt

    monkeypatch.setattr("redrop.data.base.write_json", fail)
    with pytest.raises(KeyboardInterrupt):
        prepare(TEXT[::-1], prepared)
    with pytest.raises(DataError, match=r"meta\.json is missing"):
        load_corpus(prepared)


def test_mixed_preparations_are_refused(prepared, tmp_path):
    prepare(TEXT[::-1], tmp_path / "other")
    shutil.copy(tmp_path / "other/val.npy", prepared / "val.npy")
    with pytest.raises(DataError, match=r"do not match meta.json"):
        load_corpus(prepared)


def test_toy_text_has_its_length_its_seed_and_agreement():
    assert len(TEXT) == 2_000
    assert toy_text(2_000, 1) == TEXT != toy_text(2_000, 2)
    assert toy_text(0, 1) == ""
    assert TEXT.startswith(toy_text(100, 1))
    for line in TEXT.splitlines()[:-1]:
        determiner, _, noun, verb, *_ = line.split()
        plural = determiner in ("two", "many")
        assert noun.endswith("s") == plural
        assert verb.endswith("s") != plural
    with pytest.raises(ValueError, match="negative"):
        toy_text(-1, 1)
