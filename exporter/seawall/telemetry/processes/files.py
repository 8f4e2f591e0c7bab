"""The segments of a folder: whose processes live, whose have ended, which can't be read."""

from __future__ import annotations

import contextlib
import os

from seawall.telemetry.dropped import Dropped
from seawall.telemetry.processes.columns import possible
from seawall.telemetry.processes.folder import Folder, abandoned
from seawall.telemetry.processes.reader import BadSegment, Content, Reader
from seawall.telemetry.processes.segment import NEW, SUFFIX

#: Of a segment whose process has ended and that nobody can read.
BAD = ".bad"


class Files:
    """``good``: what was in each file when its numbers were added last."""

    def __init__(self, folder: Folder, dropped: Dropped) -> None:
        self._folder = folder
        self._dropped = dropped
        self._readers: dict[str, Reader] = {}
        self._counted: set[str] = set()
        self.good: dict[str, Content] = {}

    def contents(self) -> tuple[dict[str, Content], dict[str, Content]]:
        """By file name: segments of processes that live, and of those that have ended."""
        alive: dict[str, Content] = {}
        ended: dict[str, Content] = {}
        found = os.listdir(self._folder.path)
        names = sorted([name for name in found if name.endswith(SUFFIX)])
        for name in found:
            if name.endswith(NEW):  # a process was killed that had not finished it
                with contextlib.suppress(OSError):
                    os.unlink(f"{self._folder.path}/{name}")
        for name in names:
            content, lives = self._look(name)
            if content is not None:
                (alive if lives else ended)[name] = content
        for gone in self._readers.keys() - set(names):
            if gone in self.good and os.path.exists(f"{self._folder.path}/{gone}{BAD}"):
                ended[gone] = self.good[gone]  # set aside by one who had not seen what was in it
            else:
                self.forget(gone)
        return alive, ended

    def add(self, contents: dict[str, Content]) -> None:
        """These were added."""
        for name in self._counted & contents.keys():
            if contents[name] is not self.good.get(name):
                self._counted.discard(name)
        self.good.update(contents)

    def bad(self, name: str) -> Content | None:
        """Count a file that can't be read, once until it can be again; what was in it before."""
        if name not in self._counted:
            self._counted.add(name)
            self._dropped.add("series", "worker_file")
        return self.good.get(name)

    def delete(self, name: str) -> bool:
        """Delete a segment whose process has ended and is counted. Whether it is there no more."""
        for path in (f"{self._folder.path}/{name}", f"{self._folder.path}/{name}{BAD}"):
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError:
                return False
            break
        self.forget(name)
        return True

    def forget(self, name: str) -> None:
        self._readers.pop(name, None)
        self.good.pop(name, None)
        self._counted.discard(name)

    def _look(self, name: str) -> tuple[Content | None, bool]:
        """(content, whether its process lives)."""
        mine = self._folder.own.get(name)
        if mine is not None:
            return self._read(name, mine.file, ended=False), True
        try:
            file = os.open(f"{self._folder.path}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return self.bad(name), True
        try:
            ended = abandoned(file)
            return self._read(name, file, ended=ended), not ended
        finally:
            os.close(file)

    def _read(self, name: str, file: int, *, ended: bool) -> Content | None:
        try:
            reader = self._readers.get(name)
            if reader is None:
                reader = self._readers[name] = Reader()
            content = reader.read(file)
            if ended and not possible(content):
                raise BadSegment("garbage")
        except BadSegment as error:
            self._readers[name] = Reader()
            before = self.bad(name)
            if ended and before is None and not error.foreign:
                path = f"{self._folder.path}/{name}"
                with contextlib.suppress(OSError):
                    os.replace(path, path + BAD)
            return before
        return content
