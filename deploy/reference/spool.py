"""Files that wait: one file each in a folder, named `<number>-<percent-encoded name>`, sent in that order."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from reference.model import Waiting


@dataclass(frozen=True, slots=True)
class Spooled:
    """One file that waits: the name it goes out under and where its content is."""

    number: int
    name: str
    path: Path


class Spool:
    """A durable queue of files. Survives the process; a file broken off while it was written is not in it.

    Methods block for the time of a disk write; async code calls them on a thread, one at a time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._next = 1

    def open(self) -> None:
        """Open or make the folder, and go on counting where an earlier process stopped."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for part in self._folder.glob(".part-*"):
            part.unlink()
        self._next = max((one.number for one in self.waiting()), default=0) + 1

    def add(self, name: str, content: bytes) -> Waiting:
        """Keep a file; it and its name are on disk when this returns."""
        number, self._next = self._next, self._next + 1
        part = self._folder / f".part-{number:08d}"
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self._folder / f"{number:08d}-{quote(name, safe='')}")
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return Waiting(number)

    def waiting(self) -> list[Spooled]:
        """What waits, in the order it came."""
        found = []
        for path in sorted(self._folder.glob("[0-9]*-*")):
            number, _, name = path.name.partition("-")
            found.append(Spooled(int(number), unquote(name), path))
        return found

    def holds(self, name: str) -> bool:
        """Whether an earlier version of this file still waits (a later one must not overtake it)."""
        return any(one.name == name for one in self.waiting())

    def remove(self, spooled: Spooled) -> None:
        """Forget a file that was uploaded."""
        spooled.path.unlink()
