"""Files that are written whole or not at all, also after a kill and by two processes at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from redrop.atomic import part_of, replacing
from redrop.errors import StorageError


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as part:
        part.write_text("all of it")
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert [found.name for found in path.parent.iterdir()] == ["file.txt"]
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_failed_block_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(StorageError), replacing(path) as part:
        part.write_text((tmp_path / "nothing").read_text())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_left_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    part_of(path).write_text("a long half-written text of a killed process")
    with replacing(path) as part, part.open("r+") as file:  # not even emptied by who writes
        file.write("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_of_two_writers_the_second_waits(tmp_path: Path) -> None:
    """The second begins while the first is at it; both contents are whole, and the later one stays."""
    path, begun = tmp_path / "file.txt", threading.Event()

    def second() -> None:
        begun.set()
        with replacing(path) as part:
            assert path.read_text() == "first" * 1000
            part.write_text("second")

    other = threading.Thread(target=second)
    with replacing(path) as part:
        other.start()
        begun.wait()
        part.write_text("first" * 1000)
    other.join()
    assert path.read_text() == "second"
    assert list(tmp_path.iterdir()) == [path]
