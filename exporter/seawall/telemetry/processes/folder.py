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

from seawall.telemetry.processes.segment import NEW, Segment

try:
    import fcntl
except ImportError:  # pragma: no cover - a platform without file locks
    fcntl = None  # type: ignore[assignment]

#: Seconds to wait for the folder's lock. A sum takes milliseconds.
_PATIENCE = 5.0
VARIABLE = "SEAWALL_PROCESSES_DIR"


class FolderError(Exception):
    """The folder can't be used; the text says why and is fit to show."""


class Folder:
    """One folder, as this process uses it. Use :func:`folder_of`: there is one of each.

    ``own``: this process's segments by file name.
    """

    def __init__(self, path: Path) -> None:
        if fcntl is None:  # pragma: no cover - as above
            raise FolderError("sharing between processes needs file locks, which this platform has not")
        self.path = path
        self.own: dict[str, Segment] = {}
        self._turns = threading.RLock()
        self._depth = 0
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderError(f"can't use folder {str(path)!r}: {why(error)}") from None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process and one thread at a time. ``FolderError`` when it stays taken for too long."""
        if not self._turns.acquire(timeout=_PATIENCE):
            raise FolderError(f"folder {str(self.path)!r} is locked by another thread")
        try:
            if not self._depth:
                self._take()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if not self._depth:
                    fcntl.lockf(self._file, fcntl.LOCK_UN)
        finally:
            self._turns.release()

    def create(self, path: Path) -> Segment:
        """A segment of this process, locked before it has its name: nobody takes it for that of a process
        that has ended. Caller holds the lock.
        """
        new = path.with_suffix(NEW)
        file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if not lock(file):  # pragma: no cover - a file system without locks
                raise BlockingIOError
            segment = Segment(str(path), file)
            new.rename(path)
        except BaseException:
            os.close(file)
            new.unlink(missing_ok=True)
            raise
        return segment

    def restart(self) -> None:
        """In a forked child: whoever held the turn is not here, and the parent's segments are not ours."""
        self._turns = threading.RLock()
        self._depth = 0
        self.own = {}

    def _take(self) -> None:
        end = time.monotonic() + _PATIENCE
        while not lock(self._file):
            if time.monotonic() > end:
                raise FolderError(f"folder {str(self.path)!r} is locked by another process")
            time.sleep(0.002)


_folders: dict[Path, Folder] = {}


def folder_of(path: str | os.PathLike[str]) -> Folder:
    """The folder at ``path``, made if it is not there. ``FolderError`` says why it can't be used."""
    resolved = Path(path).resolve()
    if resolved not in _folders:
        _folders[resolved] = Folder(resolved)
    return _folders[resolved]


def shared_folder(path: str | os.PathLike[str] | None) -> str | os.PathLike[str] | None:
    """``path``; where it is ``None``, what the environment says. ``None`` when nothing is to be shared."""
    return (os.environ.get(VARIABLE) if path is None else path) or None


def restart_all() -> None:
    for folder in _folders.values():
        folder.restart()


def lock(file: int) -> bool:
    """Take the exclusive lock of an open file, if nobody has it."""
    return _locked(file, fcntl.LOCK_EX)


def abandoned(file: int) -> bool:
    """Whether nobody holds the lock of a file that is open for reading: its process has ended."""
    return _locked(file, fcntl.LOCK_SH)


def _locked(file: int, how: int) -> bool:
    try:
        fcntl.lockf(file, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def why(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "unknown error"
