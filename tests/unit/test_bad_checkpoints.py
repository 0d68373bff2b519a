"""Damaged checkpoints and records that wait in the pool: cleaned by a rule, and said so; no run is lost."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bad_input_support import Place, contents, flipped, told
from redrop.cli import main
from support import small_spec

# What is cleaned by a rule rather than refused: a damaged checkpoint, a record that waits in the pool.


def header_of(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """A change of a checkpoint's first line."""

    def made(content: bytes) -> bytes:
        line, _, payload = content.partition(b"\n")
        header = json.loads(line)
        change(header)
        return json.dumps(header).encode() + b"\n" + payload

    return made


def code(content: bytes) -> bytes:
    """A checkpoint of this run, with a checksum that fits, whose content is a pickle with code."""
    stream = io.BytesIO()
    torch.save({"iteration": OwnedError()}, stream)
    payload = stream.getvalue()
    header = json.loads(content.partition(b"\n")[0]) | {"sha256": hashlib.sha256(payload).hexdigest()}
    return json.dumps(header).encode() + b"\n" + payload


class OwnedError(Exception):
    """What reading the pickle would make, and with it run code."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("owned",))


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda b: b"", "header is damaged"),
    "cut off in the header": (lambda b: b[:20], "header is damaged"),
    "cut off in the content": (lambda b: b[: len(b) // 2], "checksum is wrong"),
    "the last byte is missing": (lambda b: b[:-1], "checksum is wrong"),
    "a bit of the first letter": (lambda b: flipped(b, 0), "header is damaged"),
    "a bit of the run's name": (lambda b: flipped(b, b.index(b"authors")), "belongs to run"),
    "a bit of the iteration": (
        header_of(lambda h: h.update(iteration=h["iteration"] ^ 1)),
        "not of one iteration",
    ),
    "a bit of the checksum": (lambda b: flipped(b, b.index(b"\n") - 3), "checksum is wrong"),
    "a bit of the content": (flipped, "checksum is wrong"),
    "a bit of the last byte": (lambda b: flipped(b, len(b) - 1), "checksum is wrong"),
    "no run": (header_of(lambda h: h.pop("run")), "header is damaged"),
    "another run": (header_of(lambda h: h.update(run="authors-x-s1-00000000")), "belongs to run authors-x"),
    "code": (code, "more than tensors"),
    "a web page": (lambda b: b"<html>" * 1000, "header is damaged"),
}


@pytest.mark.parametrize("which", ["last", "both"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_named_and_passed_over(
    damage: str, which: str, stopped: Place,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The run goes on from the previous one, or from the beginning, to the same bytes."""
    place = stopped
    checkpoint = place.checkpoint(small_spec(seed=2))
    change, word = DAMAGE[damage]
    paths = [checkpoint.last, checkpoint.previous][: 1 if which == "last" else 2]
    for path in paths:
        path.write_bytes(change(path.read_bytes()))
    with caplog.at_level("WARNING"):
        main(place.train())
    for path in paths:
        assert any(str(path) in line and word in line for line in caplog.messages)
    assert not Path("owned").exists()
    assert not checkpoint.last.parent.exists()
    for name in ("metrics.json", "curve.jsonl"):
        assert (place.root / "out" / name).read_bytes() == (place.root / "straight" / name).read_bytes()
    made = json.loads((place.root / "out/provenance.json").read_text())["last_process"]["iterations"]
    assert (made == 12) == (which == "both")  # it did go on where it was


def test_a_checkpoint_that_does_not_fit_is_refused_with_its_folder(place: Place) -> None:
    """Whole and of this run, but of a version that kept other things."""
    checkpoint = place.checkpoint(small_spec(seed=2))
    checkpoint.save(4, {"iteration": 4})
    before = contents(place.root)
    line = told(place.train())
    for word in (str(checkpoint.last.parent), "delete the folder to begin anew"):
        assert word in line
    assert contents(place.root) == before


@pytest.mark.parametrize("name", ["metrics.json", "curve.jsonl", "spec.json", "provenance.json"])
def test_a_damaged_record_in_the_pool_is_deleted_and_the_run_trained(
    name: str, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    stored = place.root / "pool" / place.spec.run
    shutil.copytree(place.run, stored)
    whole = (place.run / "metrics.json").read_bytes()
    shutil.rmtree(place.run)
    (stored / name).write_bytes((stored / name).read_bytes()[:40])
    (stored / ".curve.jsonl.part").write_bytes(b"what a killed process left")
    with caplog.at_level("WARNING"):
        main([*place.again(), "--pool", str(place.root / "pool")])
    assert f"{name}: " in caplog.text
    assert "is deleted and the run trained again" in caplog.text
    assert (place.run / "metrics.json").read_bytes() == whole
    assert not stored.exists()
