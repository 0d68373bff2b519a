"""Files that are written whole or not at all, also after a kill and by two processes at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
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


def text_of(write: str, path: Path) -> str:
    """What somebody who reads ``path`` gets while ``write`` is written to it."""
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(path.read_text()))
    reader.start()
    with replacing(path) as part:
        part.write_text(write)
    reader.join()
    return found[0]


def test_a_pipe_is_written_to_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert text_of("all of it", path) == "all of it"
    assert path.is_fifo()
    link = tmp_path / "link"
    link.symlink_to(path)
    assert text_of("again", link) == "again"
    assert path.is_fifo()
    assert link.is_symlink()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["link", "pipe"]


def test_nothing_reaches_a_pipe_from_a_failed_block(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ZeroDivisionError), replacing(path) as part:
        part.write_text(f"half {1 / 0}")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(reader, 10) == b""
    os.close(reader)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_is_written_to_and_stays(tmp_path: Path) -> None:
    """A node of the null device; the machine's own is left alone."""
    path = tmp_path / "null"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        path.write_text("a node that may be used")
    except PermissionError:
        pytest.skip("this machine lets nobody make or use device nodes")
    with replacing(path) as part:
        part.write_text("all of it")
    assert path.is_char_device()


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    target, link, chained = tmp_path / "there" / "file.txt", tmp_path / "link", tmp_path / "chained"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    chained.symlink_to(link)
    for path, text in ((link, "new"), (chained, "newer")):
        with replacing(path) as part:
            part.write_text(text)
        assert (path.is_symlink(), target.read_text()) == (True, text)
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "later.txt")
    with replacing(dangling) as part:
        part.write_text("made")
    assert (tmp_path / "later.txt").read_text() == "made"
    assert [found.name for found in target.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("through_a_link", [False, True])
def test_a_folder_is_refused_before_anything_is_written(tmp_path: Path, through_a_link: bool) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder
    if through_a_link:
        path = tmp_path / "link"
        path.symlink_to(folder)
    with pytest.raises(StorageError, match="folder: Is a directory"), replacing(path):
        raise AssertionError("the block must not run")
    assert list(folder.iterdir()) == []


def test_an_open_file_of_a_process_is_written_to(tmp_path: Path) -> None:
    """As /dev/stdout is, whatever the shell has made of it."""
    code = (
        "import sys; from pathlib import Path; from redrop.record import write_text;"
        "write_text(Path('/dev/stdout'), 'all of it')"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout == b"all of it"
    with (tmp_path / "out.txt").open("wb") as file:
        subprocess.run(command, stdout=file, check=True)
    assert (tmp_path / "out.txt").read_text() == "all of it"
    assert [found.name for found in tmp_path.iterdir()] == ["out.txt"]
