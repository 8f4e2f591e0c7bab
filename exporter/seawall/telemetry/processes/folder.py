"""The folder that processes share, and its lock.

A process holds a lock on its own segment while it lives; the kernel takes it back however it dies, so that
neither a reused process id nor another container's can pass for it. Such locks belong to a process and a
file: who opens and closes its own segment a second time loses its lock, so nobody here ever does.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - a platform without file locks
    fcntl = None  # type: ignore[assignment]

#: Seconds to wait for the folder's lock. A sum takes milliseconds.
_PATIENCE = 5.0


class FolderError(Exception):
    """The folder can't be used; the text says why and is fit to show."""


class Folder:
    """One folder, as this process uses it. Use :func:`folder_of`: there is one of each."""

    def __init__(self, path: Path) -> None:
        if fcntl is None:
            raise FolderError("sharing between processes needs file locks, which this platform has not")
        self.path = path
        self.own: set[str] = set()
        self._turns = threading.RLock()
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderError(f"can't use folder {str(path)!r}: {why(error)}") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process and one thread at a time. ``FolderError`` when it stays taken for too long."""
        with self._turns:
            end = time.monotonic() + _PATIENCE
            while not lock(self._file):
                if time.monotonic() > end:
                    raise FolderError(f"folder {str(self.path)!r} is locked by another process")
                time.sleep(0.002)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def restart(self) -> None:
        """In a forked child: whoever held the turn is not here, and the parent's segments are not ours."""
        self._turns = threading.RLock()
        self.own = set()


_folders: dict[Path, Folder] = {}


def folder_of(path: str | os.PathLike[str]) -> Folder:
    """The folder at ``path``, made if it is not there. ``FolderError`` says why it can't be used."""
    resolved = Path(path).resolve()
    if resolved not in _folders:
        _folders[resolved] = Folder(resolved)
    return _folders[resolved]


def restart_all() -> None:
    for folder in _folders.values():
        folder.restart()


def lock(file: int) -> bool:
    """Take the exclusive lock of an open file, if nobody has it."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def why(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "unknown error"
