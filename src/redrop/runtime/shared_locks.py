"""Lock files that all users of a machine share, in a folder like /tmp: sticky and open to everybody.

The files are empty and never written, so flock on a descriptor that only reads is all it takes, whoever made
them. They are not deleted either: a process could then hold a lock on a file that is no longer there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from redrop.errors import ConfigError


class LockFolder:
    """The folder, made if it is not there, and the locks taken in it, until it is closed or all ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _refusing(path), _no_umask():
            with suppress(FileExistsError):
                os.mkdir(path, 0o1777)
            self._folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        self._open = [self._folder]

    def close(self) -> None:
        """Give back all locks that were taken."""
        while self._open:
            os.close(self._open.pop())

    def lock(self, name: str, kind: int) -> bool:
        """Lock the file ``name`` (``fcntl.LOCK_EX`` or ``LOCK_SH``) if no other process is in the way."""
        with _refusing(self.path / name), _no_umask():
            file = self._file(name)
        self._open.append(file)
        # The folder as well: systemd-tmpfiles deletes what is old in /tmp, but passes over locked folders.
        return _try(self._folder, fcntl.LOCK_SH) and _try(file, kind) and self._is_there(name, file)

    def _file(self, name: str) -> int:
        """O_CREAT only for a new file: fs.protected_regular forbids it for one of another user."""
        while True:
            try:
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._folder)
            except FileNotFoundError:
                try:
                    return os.open(name, os.O_RDONLY | os.O_CREAT | os.O_EXCL, 0o444, dir_fd=self._folder)
                except FileExistsError:  # another process was first
                    continue
            if stat.S_ISREG(os.fstat(file).st_mode):
                return file
            os.close(file)
            raise OSError(errno.EINVAL, "not a regular file")

    def _is_there(self, name: str, file: int) -> bool:
        """Whether ``file`` is still the one of that name: it may have been deleted before it was locked."""
        try:
            there = os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(file))


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _no_umask() -> Iterator[None]:
    """What is made is made for everybody, or the first user would shut out all others."""
    umask = os.umask(0)
    try:
        yield
    finally:
        os.umask(umask)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn an error of the system at ``path`` into one that says what to do."""
    try:
        yield
    except OSError as error:
        owner = f" (of user {path.lstat().st_uid})" if path.is_symlink() or path.exists() else ""
        raise ConfigError(
            f"{path}{owner} cannot be used as a lock: {error.strerror}; have it deleted, or set REDROP_LOCKS"
            " to a folder that all users of the machine name alike and may write to (chmod 1777)"
        ) from error
