"""A checkpoint is used whole and by its own run only; a damaged one gives way to the one before."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from redrop.errors import StorageError
from redrop.training.checkpoint import Checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    made = Checkpoint(tmp_path / "checkpoints", "run-a")
    for iteration in (10, 20):
        made.save(iteration, {"iteration": iteration, "weights": torch.full((100,), float(iteration))})
    return made


def test_round_trip(checkpoint: Checkpoint) -> None:
    state = checkpoint.load()
    assert state is not None
    assert state["iteration"] == 20
    assert torch.equal(state["weights"], torch.full((100,), 20.0))


def damage(kind: str, path: Path) -> None:
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "truncated": content[:middle],
            "bit flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "empty": b"",
            "not a checkpoint": b"<html>not found</html>\n",
            "header only": content[: content.index(b"\n") + 1],
        }[kind]
    )


@pytest.mark.parametrize("kind", ["truncated", "bit flipped", "empty", "not a checkpoint", "header only"])
def test_a_damaged_file_is_named_and_the_one_before_it_used(
    kind: str, checkpoint: Checkpoint, caplog: pytest.LogCaptureFixture
) -> None:
    damage(kind, checkpoint.last)
    with caplog.at_level(logging.WARNING):
        state = checkpoint.load()
    assert state is not None
    assert state["iteration"] == 10
    assert str(checkpoint.last) in caplog.text
    assert not checkpoint.previous.exists()  # it is the last one now
    assert checkpoint.load()["iteration"] == 10
    damage(kind, checkpoint.last)
    assert checkpoint.load() is None


def test_another_runs_checkpoint_is_not_used(checkpoint: Checkpoint) -> None:
    assert Checkpoint(checkpoint.last.parent, "run-b").load() is None


def test_a_write_that_fails_leaves_the_old_ones(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match=r"last\.pt: No space.*make room there"):
        checkpoint.save(30, {"iteration": 30})
    monkeypatch.undo()
    assert sorted(p.name for p in checkpoint.last.parent.iterdir()) == ["last.pt", "previous.pt"]
    assert checkpoint.load()["iteration"] == 20


def test_deleting_removes_the_folder_too(checkpoint: Checkpoint) -> None:
    checkpoint.delete()
    assert not checkpoint.last.parent.exists()
    assert checkpoint.load() is None


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    checkpoint = Checkpoint(tmp_path, "run-a")
    checkpoint.save(1, {"iteration": Evil()})
    with caplog.at_level(logging.WARNING):
        assert checkpoint.load() is None
    assert f"{checkpoint.last}: damaged, or it holds more than tensors and plain values" in caplog.text
    assert not (tmp_path / "ran").exists()
