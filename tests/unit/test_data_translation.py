"""Parallel text: each step by hand and against the published files, what is refused, the generated text.

The tests that ask for `mirror` read real files from the folder that REDROP_MIRROR names.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from redrop import data
from redrop.data import base, of_family
from redrop.data import translation_steps as steps
from redrop.data.sets.translation import toy_translation as translation_toy
from redrop.data.tasks import DIRECTIONS
from redrop.data.translation import ParallelData, ParallelSplit
from redrop.data.translation_files import read, segments, training_text
from redrop.errors import ConfigError, DataError
from support import make_mirror, tar_gz

pytestmark = pytest.mark.usefixtures("offline")

SETS = {one.name: one for one in of_family("translation")}
SOURCE_ROOT = Path(data.__file__).parents[2]
IWSLT = "iwslt14_de_en"
TESTS = [name.removesuffix(".de-en") for name in SETS[IWSLT].members["test"]]


def lines(path: Path) -> list[str]:
    text = path.read_bytes().decode("utf-8")
    assert text.endswith("\n")
    return text[:-1].split("\n")


def make(name: str, folder: Path, mirror: str | Path | None = None) -> ParallelData:
    data.fetch(name, folder / "raw", mirror)
    return data.prepare(name, folder / "raw", folder / name)


def patch(monkeypatch, name: str, **changes) -> None:
    monkeypatch.setattr(f"redrop.data.sets.translation.{name}.DATA_SET", replace(SETS[name], **changes))


# What the data sets are


def test_every_parallel_text_is_a_data_set_with_two_directions():
    assert sorted(SETS) == sorted(data.names("translation"))
    assert {(d.data_set, d.source, d.target) for d in DIRECTIONS.values()} == {
        (name, *pair) for name, s in SETS.items() for pair in (s.languages, s.languages[::-1])
    }
    for name, parallel_set in SETS.items():
        assert data.get(name).name == parallel_set.name == name
        assert hash(parallel_set)
        assert parallel_set.splits[:3] == ("train", "valid", "test")
        assert parallel_set.where_from
        for why in parallel_set.where_from.values():
            assert why.split(":")[0] in ("authors-code", "inferred", "chosen")
        files = [file for edition in parallel_set.editions.values() for file in edition]
        assert bool(files) is not parallel_set.generated


def test_a_name_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"'iwslt14_de-en'\. Did you mean 'iwslt14_de_en'\?"):
        data.get("iwslt14_de-en")
    with pytest.raises(ConfigError, match=r"unknown data set 'wmt14'\. Known: "):
        data.get("wmt14")
    with pytest.raises(DataError, match=r"iwslt14_de_en/meta\.json is missing: no prepared parallel text"):
        data.load(IWSLT, root="somewhere")


def test_importing_the_data_sets_is_light():
    code = "import sys; from redrop import data; data.get('iwslt14_de_en'); print(*sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(SOURCE_ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    heavy = {"torch", "pyarrow", "pooch", "requests", "numpy", "pandas", "sacremoses", "subword_nmt"}
    assert not heavy & set(done.stdout.split())


# Steps by hand


def test_white_space_and_apostrophes():
    assert steps.tidy(" a\u00a0b\t c\r") == "a b c"
    assert steps.straighten("it\u2019s 'so'") == "it's 'so'"


@pytest.mark.parametrize(
    ("language", "line", "tokens"),
    [
        ("en", "It's \"R&D\", isn't it?", "It &apos;s &quot; R &amp; D &quot; , isn &apos;t it ?"),
        ("en", "two-to-three [well-known] a|b", "two-to-three &#91; well-known &#93; a &#124; b"),
        ("en", "Mr. Smith paid 5,300.50 in the U.S.", "Mr. Smith paid 5,300.50 in the U.S ."),
        ("en", "Wait...", "Wait ..."),
        ("de", "Das ist z.B. gut, usw.", "Das ist z.B. gut , usw ."),
        ("fr", "C'est l'heure.", "C&apos; est l&apos; heure ."),
        ("es", "\u00bfQu\u00e9 tal?", "\u00bf Qu\u00e9 tal ?"),
        ("zh", "\u6211\u4eec\uff0cR&D 3.5%\u3002", "\u6211 \u4eec \uff0c R &amp; D 3.5 % \u3002"),
    ],
)
def test_tokens_by_hand(language, line, tokens):
    assert steps.tokenise([line, line], language) == [tokens] * 2


def test_the_last_period_is_split_as_moses_does():
    cases = {"the u.s.": "the u.s .", "a ...": "a ...", "a .": "a .", ".": ".", "": "", "a .5.": "a .5 ."}
    assert {line: steps.split_last_period(line) for line in cases} == cases


@pytest.mark.parametrize(
    ("counts", "longest", "reason"),
    [
        ((0, 3), 1, "empty"),
        ((3, 2), 1, None),  # exactly 1.5
        ((2, 3), 1, None),
        ((4, 2), 1, "ratio"),
        ((175, 175), 1000, None),
        ((176, 175), 1, "length"),
        ((1, 176), 1, "length"),  # the first rule that applies
        ((5, 5), 1001, "word"),
    ],
)
def test_why_a_pair_is_dropped(counts, longest, reason):
    assert steps.drop_reason(counts, longest, (1, 175), 1.5) == reason
    assert steps.drop_reason(counts, longest, None, None) == ("empty" if 0 in counts else None)


def test_cleaning_counts_what_each_rule_drops():
    first = ["a", "a b c d", "", "a b", "a " * 176, "x" * 1001]
    second = ["b", "a b", "c", "a b c", "a " * 170, "y"]
    kept, dropped = steps.clean(first, second, (1, 175), 1.5)
    assert kept == [0, 3]
    assert dropped == {"ratio": 1, "empty": 1, "length": 1, "word": 1}
    assert steps.clean(first, second, None, None)[0] == [0, 1, 3, 4, 5]


def test_every_23rd_is_counted_from_one():
    rest, picked = steps.every(range(100, 170), 23)
    assert picked == [122, 145, 168]
    assert sorted([*rest, *picked]) == list(range(100, 170))
    assert rest == sorted(rest)


def test_parting_keeps_equal_sentences_together_and_does_not_depend_on_others():
    keys = [f"sentence {i % 1000}" for i in range(3000)]
    rows = steps.part(keys, {"valid": 10, "test": 5})
    assert sorted(row for part in rows.values() for row in part) == list(range(3000))
    texts = {split: {keys[row] for row in part} for split, part in rows.items()}
    assert sum(map(len, texts.values())) == 1000
    assert {split: len(part) for split, part in texts.items()} == pytest.approx(
        {"train": 850, "valid": 100, "test": 50}, rel=0.2
    )
    again = steps.part([*keys[::-1], "another"], {"valid": 10, "test": 5})
    assert {keys[::-1][row] for row in again["test"]} <= texts["test"] | {"another"}
    # hand-worked: the first 8 bytes of sha256("a") are ca978112ca1bbdca, modulo 100
    assert steps.share_of("a") == 0xCA978112CA1BBDCA % 100


def test_the_vocabulary_is_by_count_then_by_code_point():
    assert steps.vocabulary(["b a@@ b", "\u00e9 c"]) == ("b", "a@@", "c", "\u00e9")


# BPE against subword-nmt and the published files


def test_bpe_is_subword_nmt_s_own(tmp_path, capfd):
    text = [
        steps.tokenise([pair[side]], "en")[0] for pair in translation_toy.pairs()["train"] for side in (0, 1)
    ]
    (tmp_path / "text").write_text("".join(f"{line}\n" for line in text))
    own = [sys.executable, "-c", "from subword_nmt.subword_nmt import main; main()"]
    paths = ["-i", tmp_path / "text", "-o", tmp_path / "codes"]
    subprocess.run([*own, "learn-bpe", "-s", "60", *paths], check=True, capture_output=True)
    paths = ["-i", tmp_path / "text", "-o", tmp_path / "symbols"]
    subprocess.run([*own, "apply-bpe", "-c", tmp_path / "codes", *paths], check=True, capture_output=True)
    codes = steps.learn_codes(text, 60)
    assert codes == (tmp_path / "codes").read_text()
    assert codes.count("\n") == 61
    assert steps.apply_codes(codes, text) == lines(tmp_path / "symbols")
    assert "@@ " in (tmp_path / "symbols").read_text()
    assert capfd.readouterr().err == ""  # no progress bar


def test_without_merges_the_words_are_the_symbols():
    codes = steps.learn_codes(["a bird"], 0)
    assert steps.apply_codes(codes, ["a bird", ""]) == ["a bird", ""]


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_published_bpe_of_iwslt14_is_reproduced_byte_for_byte(mirror, language):
    folder = mirror / IWSLT
    codes = (folder / "bpe10k/code").read_text(encoding="utf-8")
    symbols = steps.apply_codes(codes, lines(folder / f"tok/valid.{language}"))
    written = "".join(f"{line}\n" for line in symbols).encode("utf-8")
    assert written == (folder / f"bpe10k/valid.{language}").read_bytes()


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_five_sets_in_order_are_the_published_test_set(mirror, language):
    folder = mirror / IWSLT
    parts = [folder / f"eval_sets_tok/{name}.{language}" for name in SETS[IWSLT].members["test"]]
    joined = b"".join(path.read_bytes() for path in parts)
    assert joined == (folder / f"tok/test.{language}").read_bytes()
    assert joined.count(b"\n") == SETS[IWSLT].rows["test"]


@pytest.mark.parametrize(
    ("split", "language", "same", "by_sacremoses", "otherwise"),
    [
        ("valid", "de", 6453, 6438, 2),
        ("valid", "en", 6738, 6726, 1),
        ("test", "de", 6276, 6261, 3),
        ("test", "en", 6502, 6492, 0),
    ],
)
def test_tokenising_the_published_text_again(mirror, split, language, same, by_sacremoses, otherwise):
    """The figures of the docstring of `translation_steps`.

    tokenizer.perl itself gives back as many lines (`same`): the text is lower-cased, and so periods
    before a small letter stay on their words. With every period put back on its word, the lines that
    differ for another reason are left.
    """
    plain = lines(mirror / f"{IWSLT}/detok/{split}.{language}")
    published = lines(mirror / f"{IWSLT}/tok/{split}.{language}")
    sacremoses = [steps._tokenizer(language).tokenize(line, return_str=True).lower() for line in plain]
    # What sacremoses does differently is the last period, and nothing else.
    tokenised = [steps.split_last_period(line) for line in sacremoses]
    assert [line.lower() for line in steps.tokenise(plain[::10], language)] == tokenised[::10]
    assert sum(map(str.__eq__, sacremoses, published)) == by_sacremoses
    assert sum(map(str.__eq__, tokenised, published)) == same

    def attached(line: str) -> str:
        return re.sub(r" \.(?= |$)", ".", line)

    assert sum(map(str.__ne__, map(attached, tokenised), map(attached, published))) == otherwise


# TED talks: a small archive in IWSLT's format


def xml(sentences: list[str]) -> bytes:
    rows = "".join(f'<seg id="{i}"> {text} </seg>\n' for i, text in enumerate(sentences, 1))
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<mteval>\n<doc docid="1">\n<url>http://x</url>\n'
    return f"{head}<title>left out</title>\n{rows}</doc>\n</mteval>\n".encode()


def ted_files(pair: str = "de-en", sets: list[str] = TESTS, n: int = 60) -> dict[str, bytes]:
    """Training lines 1 to `n` of both languages, some tagged, and test sets of two sentences each."""
    files = {}
    for language in pair.split("-"):
        tags = ["<url>http://ted.com/1</url>", "<keywords>talks, x</keywords>", "<talkid>1</talkid>"]
        tags += ["<speaker>A. B.</speaker>"] * (language == "en")  # later years tag one side only
        text = [f"{language} line number {i} ." for i in range(1, n + 1)]
        text[0] = f"<title>{language} The Title</title>"
        text[1] = f"<description>{language} It's described.</description>"
        files[f"{pair}/train.tags.{pair}.{language}"] = "\n".join(tags + text + [""]).encode()
        for number, name in enumerate(sets):
            sentences = [
                f"{language} Test {number}: R&amp;D isn\u2019t \u201cit\u201d.",
                f"Second of {number}.",
            ]
            files[f"{pair}/{name}.{pair}.{language}.xml"] = xml(sentences)
    return files


def change(files: dict[str, bytes], name: str, old: str, new: str) -> dict[str, bytes]:
    [path] = [path for path in files if path.endswith(f"/{name}")]
    assert old.encode() in files[path]
    return files | {path: files[path].replace(old.encode(), new.encode(), 1)}


@pytest.fixture
def ted(tmp_path, monkeypatch):
    """Fetch and prepare a small IWSLT14 of the given files, with 30 merges and without official counts."""
    patch(monkeypatch, IWSLT, merges=30, rows={})

    def prepare(files: dict[str, bytes]) -> ParallelData:
        mirror = make_mirror(tmp_path / "mirror", {f"{IWSLT}/de-en.tgz": tar_gz(files)})
        return make(IWSLT, tmp_path, mirror)

    return prepare


def test_iwslt14_by_hand(ted):
    files = change(ted_files(), "train.tags.de-en.de", "de line number 10 .", "de " * 8)
    files = change(files, "train.tags.de-en.en", "en line number 11 .", "  ")
    files = change(files, "train.tags.de-en.de", "de line number 12 .", "de line " * 88)
    text = ted(files)
    numbers = [number for number in range(1, 61) if number not in (10, 11, 12)]
    held = [numbers[22], numbers[45]]
    assert held == [26, 49]
    train, valid, test = text.splits.values()
    assert list(text.splits) == ["train", "valid", "test"]
    assert valid.raw["de"] == [f"de line number {number} ." for number in held]
    assert valid.tokenised["en"] == [f"en line number {number} ." for number in held]
    assert train.raw["de"][:3] == ["de The Title", "de It's described.", "de line number 3 ."]
    assert train.tokenised["en"][:2] == ["en the title", "en it &apos;s described ."]
    rest = [number for number in numbers[2:] if number not in held]
    assert train.raw["en"][2:] == [f"en line number {number} ." for number in rest]
    assert text.counts == {
        "train": {
            "read": 60,
            "ratio": 1,
            "empty": 1,
            "length": 1,
            "to_valid": 2,
            "kept": 55,
            "tag_lines_de": 3,
            "tag_lines_en": 4,
        },
        "valid": {"read": 2, "kept": 2},
        "test": {"read": 10, "kept": 10},
    }
    assert "55 train pairs, 2 valid pairs, 10 test pairs" in text.summary
    assert text.summary.endswith("dropped: 1 empty, 1 length, 1 ratio")
    # Test sets: in order, escapes as released, apostrophes straight in the tokenised text only.
    assert test.raw["de"][::2] == [f"de Test {i}: R&amp;D isn\u2019t \u201cit\u201d." for i in range(5)]
    assert test.raw["en"][1::2] == [f"Second of {i}." for i in range(5)]
    assert test.tokenised["en"][0] == "en test 0 : r &amp; amp ; d isn &apos;t \u201c it \u201d ."
    assert text.parallel_set.lower_case
    assert (text.origin, text.parallel_set.languages) == ("mirror", ("de", "en"))
    assert re.fullmatch(r"fairseq's archive, sha256 [0-9a-f]{12}", text.edition)


def test_bpe_and_vocabulary_are_of_the_training_text_alone(ted):
    text = ted(change(ted_files(), f"{TESTS[0]}.de-en.en.xml", "Second", "Zweiundvierzig"))
    train, _, test = text.splits.values()
    learnt = steps.learn_codes([*train.tokenised["de"], *train.tokenised["en"]], 30)
    assert (text.folder / "codes").read_text() == learnt
    for split in text.splits.values():
        for language in text.parallel_set.languages:
            joined = [line.replace("@@ ", "") for line in split.bpe[language]]
            assert joined == split.tokenised[language]
            assert len(split.raw[language]) == len(split)
    symbols = Counter(" ".join(train.bpe["de"] + train.bpe["en"]).split())
    assert list(text.vocabulary) == sorted(symbols, key=lambda symbol: (-symbols[symbol], symbol))
    assert not set(" ".join(test.bpe["en"]).split()) <= set(text.vocabulary)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            "train.tags.de-en.en",
            "en line number 40 .\n",
            "",
            r"train\.tags\.de-en: 60 sentences in de, 59 in en: sentence 60 has no partner",
        ),
        (
            "IWSLT14.TED.tst2011.de-en.de.xml",
            '<seg id="2"> Second of 3. </seg>\n',
            "",
            r"tst2011\.de-en: 1 sentences in de, 2 in en",
        ),
        (
            "IWSLT14.TED.tst2011.de-en.de.xml",
            " </seg>",
            "",
            r"tst2011\.de-en\.de\.xml: 2 <seg> elements, 1 of",
        ),
    ],
)
def test_a_malformed_ted_archive_is_refused(ted, tmp_path, name, old, new, message):
    with pytest.raises(DataError, match=message) as caught:
        ted(change(ted_files(), name, old, new))
    assert "redrop fetch iwslt14_de_en" in str(caught.value)
    assert f"{tmp_path}/mirror/iwslt14_de_en/de-en.tgz" in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


def test_bytes_that_are_no_utf8_are_refused_with_their_line(ted):
    files = ted_files()
    files["de-en/train.tags.de-en.de"] = files["de-en/train.tags.de-en.de"].replace(
        b"line number 3", b"\xff number 3"
    )
    with pytest.raises(DataError, match=r"train\.tags\.de-en\.de, line 6: byte 0xff is not UTF-8"):
        ted(files)


def test_an_archive_that_lacks_a_set_or_is_a_web_page_is_refused(ted, tmp_path):
    files = ted_files()
    del files["de-en/IWSLT14.TED.tst2012.de-en.en.xml"]
    with pytest.raises(DataError, match=r"has no IWSLT14\.TED\.tst2012\.de-en\.en\.xml"):
        ted(files)
    mirror = make_mirror(tmp_path / "mirror", {f"{IWSLT}/de-en.tgz": b"<html>Sign in</html>"})
    with pytest.raises(DataError, match="cannot be read as a gzipped tar archive"):
        data.fetch(IWSLT, tmp_path / "raw", mirror)
    with pytest.raises(DataError, match="leads out of its folder"):
        ted(ted_files() | {"../evil.txt": b""})
    assert list((tmp_path / "raw").iterdir()) == []


def test_too_few_official_test_sentences_are_refused(tmp_path):
    mirror = make_mirror(tmp_path / "mirror", {f"{IWSLT}/de-en.tgz": tar_gz(ted_files())})
    with pytest.raises(DataError, match=r"wrong number of test pairs: expected 6,750, found 10\."):
        data.fetch(IWSLT, tmp_path / "raw", mirror)


def test_nothing_left_to_train_on_is_refused(ted):
    files = ted_files(n=30)
    files["de-en/train.tags.de-en.de"] = b"\n" * 30
    files["de-en/train.tags.de-en.en"] = b"word\n" * 30
    with pytest.raises(DataError, match=r"no train pair is left of 30.*redrop fetch iwslt14_de_en"):
        ted(files)


def test_iwslt14_en_es_is_read_from_the_archive_of_all_pairs(tmp_path, monkeypatch):
    name = "iwslt14_en_es"
    patch(monkeypatch, name, merges=10)
    inner = tar_gz(ted_files("en-es", [name.removesuffix(".en-es") for name in SETS[name].members["test"]]))
    outer = tar_gz({"2014-01/texts/en/es/en-es.tgz": inner, "2014-01/texts/es/en/es-en.tgz": b"another"})
    text = make(name, tmp_path, make_mirror(tmp_path / "mirror", {f"{name}/2014-01.tgz": outer}))
    assert (len(text.splits["train"]), len(text.splits["valid"]), len(text.splits["test"])) == (58, 2, 8)
    with pytest.raises(DataError, match=r"2014-01\.tgz has no en-es\.tgz"):
        make(name, tmp_path / "b", make_mirror(tmp_path / "m", {f"{name}/2014-01.tgz": tar_gz({"a": b""})}))


def test_iwslt17_en_zh_separates_characters_and_allows_for_it(tmp_path, monkeypatch):
    name = "iwslt17_en_zh"
    [edition] = SETS[name].editions
    [file] = SETS[name].editions[edition]
    assert (len(file.sha256), file.size) == (64, 27_596_371)
    loose = {edition: (replace(file, sha256=None, mirror_sha256=()),)}
    patch(monkeypatch, name, merges=10, editions=loose)
    files = ted_files("en-zh", [name.removesuffix(".en-zh") for name in SETS[name].members["test"]])
    chinese = "\u6211\u4eec\u4eca\u5929\u5728\u8fd9\u91cc\u3002"
    files = change(files, "train.tags.en-zh.zh", "zh line number 5 .", chinese)
    files = change(files, "train.tags.en-zh.en", "en line number 5 .", "Here now .")
    text = make(name, tmp_path, make_mirror(tmp_path / "mirror", {f"{name}/en-zh.tgz": tar_gz(files)}))
    train = text.splits["train"]
    assert train.raw["zh"][4] == chinese
    assert train.tokenised["zh"][4] == " ".join(chinese)
    assert len(text.splits["test"]) == 14


def test_a_pinned_archive_of_another_edition_is_refused(tmp_path):
    mirror = make_mirror(tmp_path / "mirror", {"iwslt17_en_fr/en-fr.tgz": tar_gz(ted_files("en-fr"))})
    with pytest.raises(DataError, match=r"edition of en-fr\.tgz that is not known"):
        data.fetch("iwslt17_en_fr", tmp_path / "raw", mirror)


def test_training_text_and_segments_by_hand():
    tagged = [
        "<url>x</url>",
        " A <b>. ",
        "<reviewer id='1'>R</reviewer>",
        "<description> D\u00a0 d </description>",
    ]
    assert training_text([*tagged, "<doc docid='1'>", "</doc>"]) == (["A <b>.", "D d"], 4)
    assert segments('<seg id="1">a\nb</seg><seg id="2"></seg>', "x", DataError) == ["a b", ""]
    with pytest.raises(DataError, match="x: 0 <seg> elements"):
        segments("<html></html>", "x", DataError)
    with pytest.raises(DataError, match="x: 3 <seg> elements, 2 of them whole"):
        segments("<seg>a<seg>b</seg><seg>c</seg>", "x", DataError)


@pytest.mark.parametrize("name", [name for name, parallel_set in SETS.items() if not parallel_set.generated])
def test_offline_without_a_mirror_nothing_is_made_up(tmp_path, name):
    with pytest.raises(DataError, match=r"https://.*MIRROR/.*REDROP_MIRROR"):
        data.fetch(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


# Multi30k


def multi30k_files(n: int = 6) -> dict[str, bytes]:
    return {
        f"{stem}.{language}": "".join(f"{stem} Satz {i}, {language}.\n" for i in range(n)).encode()
        for (stem,) in SETS["multi30k_de_en"].members.values()
        for language in ("de", "en")
    }


@pytest.fixture
def multi30k(tmp_path, monkeypatch):
    """Fetch and prepare a small Multi30k of the given files, whatever their sums."""
    name = "multi30k_de_en"
    loose = {
        edition: tuple(replace(file, sha256=None, mirror_sha256=()) for file in files)
        for edition, files in SETS[name].editions.items()
    }
    patch(monkeypatch, name, merges=10, rows={}, editions=loose)

    def prepare(files: dict[str, bytes], folder: str = "a") -> ParallelData:
        mirrored = {f"multi30k/{file}": content for file, content in files.items()}
        return make(name, tmp_path / folder, make_mirror(tmp_path / folder / "mirror", mirrored))

    return prepare


def test_multi30k_packed_and_unpacked_are_the_same_text(multi30k):
    unpacked = multi30k(multi30k_files())
    packed = multi30k({f"{name}.gz": gzip.compress(raw) for name, raw in multi30k_files().items()}, "b")
    assert unpacked.sha256 == packed.sha256
    assert (unpacked.edition, packed.edition) == ("commit a3d2e0d26b56, unpacked", "commit a3d2e0d26b56")
    assert list(packed.splits) == ["train", "valid", "test", "test_2017", "test_2018"]
    assert packed.splits["test_2017"].raw["en"][1] == "test_2017_flickr Satz 1, en."


def test_sentences_without_a_word_are_dropped_in_pairs_and_counted(multi30k):
    files = multi30k_files()
    files["train.de"] = files["train.de"].replace(b"train Satz 2, de.", b" \xc2\xa0\t")
    files["val.en"] = files["val.en"].replace(b"val Satz 0, en.", b"")
    text = multi30k(files)
    assert text.counts["train"] == {"read": 6, "empty": 1, "kept": 5}
    assert text.counts["valid"] == {"read": 6, "empty": 1, "kept": 5}
    assert text.splits["train"].raw["en"] == [f"train Satz {i}, en." for i in (0, 1, 3, 4, 5)]
    assert text.splits["valid"].raw["de"][0] == "val Satz 1, de."


def test_a_malformed_multi30k_is_refused(multi30k):
    files = multi30k_files()
    with pytest.raises(DataError, match=r"val\.de and .*val\.en: 6 sentences in de, 5 in en: sentence 6 has"):
        multi30k(files | {"val.en": files["val.en"].rpartition(b"val")[0]})
    with pytest.raises(DataError, match=r"train\.en \(from the mirror\) .* line 2: byte 0xe9 is not UTF-8"):
        multi30k(files | {"train.en": b"a\ncaf\xe9\n"}, "b")
    packed = {f"{name}.gz": gzip.compress(raw) for name, raw in files.items()}
    with pytest.raises(DataError, match=r"train\.de\.gz cannot be read as a gzipped file"):
        multi30k(packed | {"train.de.gz": b"<html>"}, "c")


def test_the_real_multi30k(mirror, tmp_path):
    """The number of English words is the one that the data set's own repository states."""
    name = "multi30k_de_en"
    record = data.fetch(name, tmp_path, mirror)
    assert (record.edition, record.origin) == ("commit a3d2e0d26b56, unpacked", "mirror")
    splits, counts = read(SETS[name], {str(file.path): file.path for file in record.files})
    assert not any(counts.values())
    for split, (stem,) in SETS[name].members.items():
        for language in SETS[name].languages:
            released = lines(mirror / f"multi30k/{stem}.{language}")
            assert len(released) == SETS[name].rows[split]
            assert splits[split][language] == [" ".join(line.split()) for line in released]
    train = steps.tokenise(splits["train"]["en"], "en")
    assert sum(len(line.split()) for line in train) == 377_534
    assert train[0] == "Two young , White males are outside near many bushes ."


# Tatoeba


def tatoeba(folder: Path, table: str) -> Path:
    path = folder / "deu-eng.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deu.txt", table)
        archive.writestr("_about.txt", "CC BY")
    return make_mirror(folder / "mirror", {"tatoeba/deu-eng.zip": path.read_bytes()})


def test_tatoeba_is_parted_by_the_english_sentence(tmp_path, monkeypatch):
    name = "tatoeba_de_en"
    patch(monkeypatch, name, merges=20, shares={"valid": 20, "test": 20})
    rows = [(f"Number {i}.", f"Zahl {i}{end}") for i in range(60) for end in (".", "!")]
    table = "".join(f"{english}\t{german}\tCC-BY 2.0\n" for english, german in rows)
    where = {english: steps.share_of(english) for english, _ in rows}
    tested = next(english for english in where if 20 <= where[english] < 40)
    trained = next(german for english, german in rows if where[english] >= 40)
    table += f"{rows[0][0]}\t{rows[0][1]}\n{tested}\t{trained}\n"
    text = make(name, tmp_path, tatoeba(tmp_path, table))
    expected = {"valid": range(20), "test": range(20, 40), "train": range(40, 100)}
    for split, shares in expected.items():
        kept = [(english, german) for english, german in rows if where[english] in shares]
        assert list(zip(text.splits[split].raw["en"], text.splits[split].raw["de"], strict=True)) == kept
    assert text.counts["train"]["repeated"] == 1
    assert text.counts["test"]["in_train"] == 1
    for counts in text.counts.values():
        assert counts["read"] == counts["kept"] + counts.get("repeated", 0) + counts.get("in_train", 0)
    assert sum(counts["read"] for counts in text.counts.values()) == len(rows) + 2
    with pytest.raises(DataError, match=r"deu\.txt, line 2: 1 fields, expected 2 or 3.*redrop fetch tatoeba"):
        data.fetch(name, tmp_path / "b", tatoeba(tmp_path, "Hi.\tHallo!\nHi. Hallo!\n"))


def test_the_real_tatoeba_shares_no_sentence_between_training_and_the_rest(mirror):
    archive = mirror / "tatoeba/deu-eng.zip"
    splits, counts = read(SETS["tatoeba_de_en"], {str(archive): archive})
    left_out = sum(count for counted in counts.values() for count in counted.values())
    assert sum(len(pairs["en"]) for pairs in splits.values()) + left_out == 169_197
    assert counts["train"] == {"repeated": 38}
    english = {split: set(pairs["en"]) for split, pairs in splits.items()}
    assert not english["train"] & (english["valid"] | english["test"])
    assert not english["valid"] & english["test"]
    german = {split: set(pairs["de"]) for split, pairs in splits.items()}
    assert not german["train"] & (german["valid"] | german["test"])
    assert 2500 < len(splits["valid"]["en"]) < 3500
    assert 2500 < len(splits["test"]["en"]) < 3500


# The generated text


@pytest.fixture(scope="session")
def toy(tmp_path_factory) -> ParallelData:
    return make("toy_translation", tmp_path_factory.mktemp("toy_translation"))


def test_every_toy_translation_is_right_and_none_comes_twice(toy):
    assert {split: len(pairs) for split, pairs in toy.splits.items()} == translation_toy.ROWS
    pairs = [pair for split in toy.splits.values() for pair in zip(*split.raw.values(), strict=True)]
    assert all(translation_toy.translate(one) == other for one, other in pairs)
    assert len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs) == 2200
    assert any(one.lower().split()[1] in translation_toy.ADJECTIVES for one, _ in pairs)
    assert (toy.origin, toy.edition, toy.parallel_set.languages) == ("generated", "toy 1", ("xx", "yy"))


def test_a_toy_translation_by_hand():
    assert translation_toy.translate("The red bird sees a stone.") == "La ovo ruba vidas un petro."
    assert (
        translation_toy.translate("No map hides every old bell now.")
        == "Nil karto kovas omna klingo veka nune."
    )


def test_toy_words_are_the_symbols_and_are_all_seen_in_training(toy):
    words = [*translation_toy._WORDS, *translation_toy._WORDS.values(), "."]
    assert sorted(toy.vocabulary) == sorted(words)
    assert len(set(words)) == len(words) == 65
    for split in toy.splits.values():
        assert split.bpe == split.tokenised
        assert {word for lines in split.bpe.values() for line in lines for word in line.split()} <= set(words)
    train = toy.splits["train"]
    assert train.tokenised["xx"][0] == train.raw["xx"][0].lower().replace(".", " .")


def test_the_generated_text_does_not_depend_on_the_process(toy, tmp_path):
    code = (
        "import sys; from redrop import data; root = sys.argv[1]; name = 'toy_translation'; "
        "data.fetch(name, root + '/raw'); data.prepare(name, root + '/raw', root + '/prepared')"
    )
    environment = os.environ | {"PYTHONPATH": str(SOURCE_ROOT), "PYTHONHASHSEED": "1"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment, check=True)
    files = sorted(path.name for path in toy.folder.iterdir())
    assert files == ["codes", "meta.json", "test.parquet", "train.parquet", "valid.parquet", "vocabulary.txt"]
    for file in files:
        assert (tmp_path / "prepared" / file).read_bytes() == (toy.folder / file).read_bytes()
    # Sentences that change need another name in translation_toy.EDITION.
    assert toy.sha256.startswith("3f47a0c0bdd9")


# Prepared folders


def edit_meta(folder: Path, **changes) -> None:
    path = folder / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_column(folder: Path, column: str) -> None:
    table = pq.read_table(folder / "valid.parquet")
    values = table.column(column).to_pylist()
    values[7] += " "
    position = table.schema.get_field_index(column)
    pq.write_table(table.set_column(position, column, pa.array(values)), folder / "valid.parquet")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda f: edit_column(f, "raw_xx"), r"do not match meta\.json: its sha256 is"),
        (lambda f: edit_column(f, "bpe_yy"), r"do not match meta\.json: its sha256 is"),
        (lambda f: shutil.copy(f / "valid.parquet", f / "train.parquet"), r"its rows is \{.*2000"),
        (lambda f: (f / "vocabulary.txt").write_text("a\n"), r"its symbols is 65, theirs 1"),
        (
            lambda f: (f / "codes").write_text("#version: 0.2\na b\n"),
            r"do not match meta\.json: its sha256 is",
        ),
        (lambda f: edit_meta(f, merges=9), r"its merges is 9, theirs 0: .* prepared by another version"),
        (lambda f: edit_meta(f, name="wmt14"), r"holds 'wmt14', not 'toy_translation'"),
        (lambda f: edit_meta(f, name=["a"]), r"name missing or of the wrong kind"),
        (lambda f: edit_meta(f, format=1), r"not a parallel text description of format 'translation 1'"),
        (lambda f: edit_meta(f, counts=None), r"counts missing or of the wrong kind"),
        (lambda f: (f / "meta.json").write_text("{"), r"meta\.json is damaged"),
        (lambda f: (f / "meta.json").unlink(), r"meta\.json is missing: no prepared parallel text"),
        (lambda f: (f / "codes").unlink(), r"codes is missing"),
        (lambda f: (f / "vocabulary.txt").write_bytes(b"\xff\n"), r"vocabulary\.txt is damaged"),
        (lambda f: (f / "test.parquet").unlink(), r"test\.parquet is missing"),
        (lambda f: (f / "test.parquet").write_bytes(b"PAR1"), r"test\.parquet cannot be read"),
        (
            lambda f: pq.write_table(pa.table({"raw_xx": ["a"]}), f / "test.parquet"),
            r"test\.parquet has no column 'raw_yy'",
        ),
    ],
)
def test_a_prepared_folder_that_was_edited_is_refused(tmp_path, toy, edit, message):
    folder = tmp_path / "toy_translation"
    shutil.copytree(toy.folder, folder)
    edit(folder)
    with pytest.raises(DataError, match=message) as caught:
        data.get("toy_translation").load(folder)
    assert "redrop prepare toy_translation" in str(caught.value)


def test_what_is_loaded_is_what_was_prepared(toy):
    loaded = data.get("toy_translation").load(toy.folder)
    assert (loaded.sha256, loaded.vocabulary, loaded.counts) == (toy.sha256, toy.vocabulary, toy.counts)
    meta = json.loads((toy.folder / "meta.json").read_text())
    assert set(meta["raw_sha256"]) == {f"{s}.{code}" for s in translation_toy.ROWS for code in ("xx", "yy")}
    assert meta.items() >= SETS["toy_translation"].settings.items()


def test_the_fingerprint_by_hand():
    forms = [{"xx": [f"{form}\u00e9"], "yy": [form]} for form in "rtb"]
    split = ParallelSplit(*forms)
    rows = b'["test",1]\n["r\\u00e9","r","t\\u00e9","t","b\\u00e9","b"]\n"#version\\n"\n["a","b@@"]\n'
    found = base.fingerprint({"test": split}, "#version\n", ("a", "b@@"))
    assert found == hashlib.sha256(rows).hexdigest()


def test_raw_files_that_changed_are_refused(tmp_path):
    data.fetch("toy_translation", tmp_path / "raw")
    with (tmp_path / "raw/train.xx").open("a") as stream:
        stream.write("\n")
    with pytest.raises(DataError, match=r"train\.xx changed.*redrop fetch toy_translation"):
        data.prepare("toy_translation", tmp_path / "raw", tmp_path / "prepared")
    with pytest.raises(DataError, match=r"source\.json is missing.*redrop fetch iwslt14_de_en"):
        data.prepare(IWSLT, tmp_path / "nothing", tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()


def test_an_earlier_fetch_is_kept_without_the_mirror(ted, tmp_path):
    text = ted(ted_files())
    kept = data.fetch(IWSLT, tmp_path / "raw")
    assert (kept.edition, kept.origin) == (text.edition, "mirror")
