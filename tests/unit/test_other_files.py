"""Other models' weights, rows saved again, text that metrics cannot read: none passes in silence."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from redrop import data
from redrop.cli import main
from redrop.data import glue
from redrop.data.source_record import write_made
from redrop.data.translation_steps import tokenise
from redrop.errors import DataError
from redrop.evaluation import summarization, translation
from redrop.models import sources
from support import make_mirror

# models


def model(folder: Path, seed: int, tokenizer: bool = False) -> Path:
    folder.mkdir()
    save_file({"w": np.full(3, seed, dtype=np.float32)}, folder / sources.WEIGHTS)
    (folder / "config.json").write_text("{}")
    if tokenizer:
        (folder / "vocab.txt").write_text("a\n")
    return folder


def fetch(name: str | Path, to: Path, *more: str) -> None:
    main(["fetch-model", str(name), "--to", str(to), *more])


@pytest.mark.parametrize(
    "named",
    [
        ["minilm"],
        ["bert-base-uncased"],
        ["google-bert/bert-base-uncased"],
        ["bert-base-cased"],
        ["electra-large"],
        ["owner/name", "--revision", "a" * 40],
        ["another"],
    ],
)
def test_a_folder_with_another_model_does_not_pass_for_the_one_named(
    named: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fetch(model(tmp_path / "bert", 1), tmp_path / "M")
    model(tmp_path / "another", 2)
    before = {path.name: path.read_bytes() for path in (tmp_path / "M").iterdir()}
    with pytest.raises(SystemExit) as end:
        fetch(named[0], tmp_path / "M", *named[1:])
    for part in (
        "redrop fetch-model: ",
        f"holds another model than {named[0]!r}",
        "bert",
        "delete the folder",
    ):
        assert part in str(end.value.code)
    assert "\n" not in str(end.value.code)
    assert {path.name: path.read_bytes() for path in (tmp_path / "M").iterdir()} == before


def test_a_folder_with_the_model_named_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model(tmp_path / "bert", 1)
    for name in ("bert", tmp_path / "bert", "./bert"):
        fetch(name, tmp_path / "M")
    (tmp_path / "bert").rename(tmp_path / "gone")
    fetch("bert", tmp_path / "M")  # a copy outlives its original
    released = sources.RELEASED["electra-large"]
    path = tmp_path / "M/source.json"
    origin = f"https://huggingface.co/{released.repository}/tree/{'b' * 40}"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model": "electra-large", "origin": origin}))
    fetch("electra-large", tmp_path / "M")


def test_what_an_unfinished_fetch_left_is_no_part_of_another_model(tmp_path: Path) -> None:
    model(tmp_path / "M", 1, tokenizer=True)
    fetch(model(tmp_path / "bert", 2), tmp_path / "M")
    assert not (tmp_path / "M/vocab.txt").exists()
    assert (tmp_path / "M" / sources.WEIGHTS).read_bytes() == (
        tmp_path / "bert" / sources.WEIGHTS
    ).read_bytes()


def test_a_model_fetched_into_its_own_folder_keeps_its_files(tmp_path: Path) -> None:
    fetch(model(tmp_path / "bert", 1, tokenizer=True), tmp_path / "bert")
    assert {path.name for path in (tmp_path / "bert").iterdir()} >= {
        sources.WEIGHTS,
        "vocab.txt",
        "source.json",
    }


# GLUE files that were saved again


def as_csv(raw: bytes) -> bytes:
    sink = io.StringIO()
    rows = (line.split("\t") for line in raw.decode("utf-8-sig").splitlines())
    csv.writer(sink, delimiter="\t", lineterminator="\n").writerows(rows)
    return sink.getvalue().encode()


def stripped(raw: bytes) -> bytes:
    return b"\n".join(b"\t".join(cell.strip() for cell in line.split(b"\t")) for line in raw.split(b"\n"))


def lower(raw: bytes) -> bytes:
    head, _, rows = raw.partition(b"\n")
    return head + b"\n" + rows.replace(b"A", b"a")


def with_crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


SAVED_AGAIN = [
    ("RTE", as_csv),
    ("MRPC", as_csv),
    ("SST-2", stripped),
    ("RTE", lower),
    ("CoLA", lower),
    ("STS-B", lower),
]


def saved_again(mirror: Path, folder: str, change: Callable[[bytes], bytes], tmp_path: Path) -> glue.TaskData:
    paths = [f"glue/{folder}/{split}.tsv" for split in ("train", "dev")]
    again = make_mirror(tmp_path / "mirror", {path: change((mirror / path).read_bytes()) for path in paths})
    name = f"glue_{folder.replace('-', '').lower()}"
    data.fetch(name, tmp_path / "raw", again)
    return data.prepare(name, tmp_path / "raw", tmp_path / name)


@pytest.mark.parametrize(("folder", "change"), SAVED_AGAIN)
def test_rows_that_are_not_the_official_ones_are_called_so(
    folder: str,
    change: Callable[[bytes], bytes],
    mirror: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = saved_again(mirror, folder, change, tmp_path)
    assert found.edition == found.content["edition"] == "tsv, but not the official rows"
    assert data.load(found.name, tmp_path).edition == found.edition
    assert "but not the same" in caplog.text
    assert f"run `redrop fetch {found.name}` again" in caplog.text


@pytest.mark.parametrize("folder", ["RTE", "MRPC", "SST-2", "CoLA", "STS-B"])
def test_official_rows_are_official_whatever_ends_their_lines(
    folder: str, mirror: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert saved_again(mirror, folder, with_crlf, tmp_path).edition == "tsv"
    assert caplog.text == ""


@pytest.mark.parametrize("folder", ["RTE", "MRPC", "SST-2", "CoLA", "STS-B"])
def test_a_file_with_a_nul_is_refused(folder: str, mirror: Path, tmp_path: Path) -> None:
    def spoil(raw: bytes) -> bytes:
        place = raw.index(b" ", len(raw) // 2)
        return raw[:place] + b"\0" + raw[place + 1 :]

    with pytest.raises(DataError, match=r"line \d+: byte 0x00 is not UTF-8 \(a NUL"):
        saved_again(mirror, folder, spoil, tmp_path)


# what metrics cannot read


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("He said “yes” and left .", "en"),
        ("It ’ s a good day today .", "en"),
        ("the ‘ single ’ ones are here .", "en"),
        ("and then … nothing at all .", "en"),
        ("Er sagte ‚ ja ‘ und ging .", "de"),
        ("l ’ homme est parti hier .", "fr"),
    ],
)
def test_the_most_that_a_perfect_translation_gets_is_said(
    text: str, language: str, caplog: pytest.LogCaptureFixture
) -> None:
    translation._say_highest.cache_clear()
    plain = (
        text.replace(" ’ ", "’").replace("‘ ", "‘").replace(" ’", "’").replace("‚ ", "‚").replace(" ‘", "‘")
    )
    plain = plain.replace(" …", "…").replace(" .", ".")
    tokens = tokenise([plain], language)
    for _ in range(3):
        found = translation.scores(tokens, tokens, [plain], split="test", language=language)
    assert (found["bleu"].value, found["chrf"].value) == (pytest.approx(100), pytest.approx(100))
    assert found["sacrebleu"].value < 100
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert f"gets a sacrebleu of {found['sacrebleu'].value:.1f}, not 100" in record.message


@pytest.mark.parametrize(
    "plain",
    [
        'He said "yes" and left, then.',
        "It's fine that they don't care.",
        "« Bonjour », dit-il, et il partit.",
        "„Das ist gut“, sagte er dann.",
        "no quotes at all in here.",
    ],
)
def test_nothing_is_said_where_nothing_is_lost(plain: str, caplog: pytest.LogCaptureFixture) -> None:
    tokens = tokenise([plain], "en")
    found = translation.scores(tokens, tokens, [plain], split="test", language="en")
    assert found["sacrebleu"].value == pytest.approx(100)
    assert caplog.text == ""


@pytest.mark.parametrize(
    "reference",
    [
        "Он уехал вчера в город.",
        "他昨天离开了城市",
        "彼は昨日町を出た",
        "غادر المدينة أمس",
        "Έφυγε χθες από την πόλη",
        "그는 어제 떠났다 (CNN)",
    ],
)
def test_rouge_of_a_script_that_it_does_not_read_warns_once(
    reference: str, caplog: pytest.LogCaptureFixture
) -> None:
    summarization._say_unread.cache_clear()
    caplog.set_level(logging.WARNING)
    for _ in range(3):
        found = summarization.scores([reference], [[reference]], split="test")
    [record] = caplog.records
    assert "ROUGE reads Latin letters and digits only" in record.message
    assert "CNN" in reference or found["rouge1"].value == 0


@pytest.mark.parametrize("reference", ["He left.", "Él salió de la ciudad ayer.", "Č 1", "", "..."])
def test_rouge_of_latin_text_does_not(reference: str, caplog: pytest.LogCaptureFixture) -> None:
    summarization.scores([reference], [[reference]], split="test")
    assert caplog.text == ""


# raw files with a record of their own


PINNED = [
    "glue_rte",
    "glue_mnli",
    "tiny_shakespeare",
    "pride_prejudice",
    "wikitext2",
    "dialogsum",
    "cnn_dailymail",
]


@pytest.mark.parametrize("name", PINNED)
def test_a_record_beside_other_files_does_not_make_them_the_pinned_ones(
    name: str, tmp_path: Path, offline: None
) -> None:
    data_set = data.get(name)
    edition, files = list(data_set.editions.items())[-1]
    made = {file.name: b"another file\n" for file in files}
    write_made(tmp_path / "raw", name, edition, made, "download", "https://example.org")
    with pytest.raises(DataError, match="has none of the checksums that are pinned"):
        data.prepare(name, tmp_path / "raw", tmp_path / name)
    assert not (tmp_path / name / "meta.json").exists()
    with pytest.raises(DataError):  # neither are they kept; there is no network here
        data.fetch(name, tmp_path / "raw")
