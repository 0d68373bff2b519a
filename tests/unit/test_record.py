"""Records are written whole or not at all, and a damaged or edited one is refused by name."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest

from redrop.errors import RecordError
from redrop.record import (
    METRICS,
    Metric,
    curve_text,
    metrics_document,
    read_curve,
    read_json,
    read_record,
    write_json,
    write_text,
)
from support import small_spec


def metric(value: float | None) -> Metric:
    return Metric(value=value, n=10, split="validation", higher_is_better=False, signature="test")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    spec = small_spec()
    made = tmp_path / spec.run
    metrics = {"val_loss_last": metric(1.5), "val_loss_best": metric(math.inf)}
    write_json(made / METRICS, metrics_document(spec, "done", None, {"name": "toy"}, metrics))
    return made


def test_round_trip(folder: Path) -> None:
    record = read_record(folder)
    assert record.spec == small_spec()
    assert record.value("val_loss_last") == 1.5
    assert math.isnan(record.value("val_loss_best"))
    assert math.isnan(record.value("rouge1"))


def test_equal_values_are_equal_bytes(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1.0, "a": [1, None]})
    write_json(tmp_path / "b", {"a": [1, None], "b": 1.0})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"a": math.nan})
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "\ud800")
    assert read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d["spec"]["model"].update(mlp_dropout=0.3), ["was edited"]),
        (lambda d: d["spec"]["model"].update(mlp_dropout=3), ["model.mlp_dropout"]),
        (lambda d: d.update(run="authors-other-s1-00000000"), ["authors-other-s1-00000000"]),
        (lambda d: d.update(status="fine"), ["'fine'"]),
        (lambda d: d.pop("metrics"), ["metrics"]),
        (lambda d: d.pop("spec"), ["spec"]),
        (lambda d: d["metrics"].update(x={"value": 1}), ["missing"]),
        (lambda d: d.update(metrics=[1]), ["not a run's metrics"]),
    ],
)
def test_an_edited_record_is_refused(spoil, words: list[str], folder: Path) -> None:
    document = json.loads((folder / METRICS).read_text())
    spoil(document)
    (folder / METRICS).write_text(json.dumps(document))
    with pytest.raises(RecordError) as error:
        read_record(folder)
    for word in [str(folder / METRICS), "run", *words]:
        assert word in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"<html>"])
def test_a_damaged_record_is_refused(content: bytes, folder: Path) -> None:
    (folder / METRICS).write_bytes(content)
    with pytest.raises(RecordError, match=r"metrics\.json"):
        read_record(folder)


def test_the_checksum_is_what_the_documentation_says(folder: Path) -> None:
    """Of the rest of the document, as JSON with sorted keys and no spaces; of the other files, their own."""
    document = json.loads((folder / METRICS).read_text())
    found = document.pop("sha256")
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert found == hashlib.sha256(text.encode()).hexdigest()
    spec = small_spec()
    made = metrics_document(spec, "done", None, {}, {}, {"curve.jsonl": b"a line\n"})
    assert made["files"] == {"curve.jsonl": hashlib.sha256(b"a line\n").hexdigest()}


def test_a_record_from_before_there_were_checksums_is_read(folder: Path) -> None:
    document = json.loads((folder / METRICS).read_text())
    del document["sha256"], document["files"]
    write_json(folder / METRICS, document)
    assert read_record(folder).value("val_loss_last") == 1.5
    assert read_record(folder).files == {}


def test_every_changed_digit_is_seen(folder: Path) -> None:
    """Of numbers, checksums and names alike, one by one."""
    text = (folder / METRICS).read_text()
    digits = [place for place, letter in enumerate(text) if letter.isdigit()]
    assert len(digits) > 100
    for place in digits:
        other = "1" if text[place] == "0" else "0"
        (folder / METRICS).write_text(text[:place] + other + text[place + 1 :])
        with pytest.raises(RecordError, match=r"metrics\.json"):
            read_record(folder)


def test_a_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no such file"):
        read_record(tmp_path)
    with pytest.raises(RecordError, match="no such file"):
        read_curve(tmp_path)


def test_a_damaged_curve_is_named_by_line(tmp_path: Path) -> None:
    rows = [{"iteration": i, "val_loss": 2.0 - i, "train_loss": None} for i in range(3)]
    write_text(tmp_path / "curve.jsonl", curve_text(rows))
    assert read_curve(tmp_path) == rows
    with (tmp_path / "curve.jsonl").open("a") as file:
        file.write('{"iteration": 3, "val_')
    with pytest.raises(RecordError, match="line 4"):
        read_curve(tmp_path)
