"""The file of one process, as its process writes it: see ``format.py``.

Numbers are written straight into the mapped file, so that a process that is killed at any instant loses none
that it had counted. The room is allocated before it is mapped: a full disk is an error then, never a signal
later. Readers never map: a file that shrinks is an error for them too.
"""

from __future__ import annotations

import errno
import itertools
import json
import mmap
import os
import struct
import time
import uuid
from collections.abc import Sequence
from typing import Any, Final

from seawall.resilience.fields import ERROR_NAMES
from seawall.resilience.ledger import Layout
from seawall.telemetry.processes import format as f
from seawall.telemetry.processes.shapes import live_slots, signature

SUFFIX = ".worker"
#: Of a file that does not count yet.
NEW = ".new"
#: Bytes of the first extent that is added later, and of the largest; each is twice the one before.
_SMALLEST, _LARGEST = 16 * 1024, 1024 * 1024
#: Texts get room in steps, so that the record of one key fits the next one's.
_STEP = 256
_ROUND = {f.SLOT: 8, f.LIVE: 8, f.COLD: _STEP}


class Room:
    """Where one guard's numbers stand in the mapped file."""

    __slots__ = ("_segment", "at", "layout", "live", "names", "record", "slots")

    def __init__(
        self, segment: Segment, layout: Layout, at: tuple[int, int], slots: memoryview, live: memoryview
    ) -> None:
        self._segment = segment
        self.layout = layout
        self.at: Final = at
        self.slots: memoryview[float] = slots.cast("d")
        self.live: memoryview[float] = live.cast("d")
        self.record: tuple[int, memoryview] = (0, memoryview(b""))
        self.names = memoryview(b"")

    def name(self, index: int, name: str) -> None:
        """Say which error type is counted under an index."""
        text = name.encode("utf-8", "replace")[: f.NAME.size - 2]
        f.NAME.pack_into(self.names, index * f.NAME.size, len(text), text)
        self._segment.changed()


class Names(list[str | None]):
    """A ledger's error names; a name that is claimed is written where other processes read it."""

    def __init__(self, names: list[str | None], room: Room) -> None:
        super().__init__(names)
        self._room = room
        for i, name in enumerate(names[:ERROR_NAMES]):
            if name is not None:
                room.name(i, name)

    def __setitem__(self, index: int, name: str | None) -> None:  # type: ignore[override]
        super().__setitem__(index, name)
        if name is not None:
            self._room.name(index, name)


class Segment:
    """This process's own file. It grows by extents; what is in it never moves.

    Nothing that it has mapped is unmapped while the process lives: that would close a descriptor of the file,
    and so give up the lock.
    """

    def __init__(self, path: str, file: int) -> None:
        self.path = path
        self.file = file
        self.id = uuid.uuid4().bytes
        self._end = f.PAGE
        self._generations = itertools.count(1)
        self._spaces = {kind: _Space(self, kind) for kind in (f.SLOT, f.LIVE, f.COLD)}
        self._extents = 0
        self._own: tuple[int, memoryview] | None = None
        allocate(file, 0, f.PAGE)
        self._header = mmap.mmap(file, f.PAGE)
        f.HEADER.pack_into(self._header, 0, f.MAGIC, f.FORMAT, os.getpid(), time.time_ns(), self.id, 0, 0)

    def reserve(self, layouts: Sequence[Layout]) -> None:
        """Room for guards of these layouts, together. ``OSError`` when the disk has none."""
        self._spaces[f.SLOT].grow(8 * sum(layout.width for layout in layouts))
        self._spaces[f.LIVE].grow(8 * sum(len(live_slots(layout)) for layout in layouts))

    def append(self, entry: dict[str, Any], family: str, layout: Layout) -> Room:
        """Room for one more guard, with all numbers 0. ``OSError`` when the disk has none; then nothing has
        changed.
        """
        text = _text(entry, family, layout)
        slots_at, slots = self._spaces[f.SLOT].take(8 * layout.width)
        live_at, live = self._spaces[f.LIVE].take(8 * len(live_slots(layout)))
        room = Room(self, layout, (slots_at, live_at), slots, live)
        try:
            self._describe(room, text)
        except BaseException:
            self._spaces[f.SLOT].give(slots_at, slots)
            self._spaces[f.LIVE].give(live_at, live)
            raise
        return room

    def describe(self, room: Room, entry: dict[str, Any], family: str) -> None:
        """The guard's settings have changed. Caller sees to it that no name is claimed meanwhile."""
        at, old = room.record
        names = bytes(room.names)
        self._describe(room, _text(entry, family, room.layout), names)
        self._free(at, old)

    def give_back(self, room: Room) -> None:
        """The guard has gone: readers skip its numbers, until a guard that needs as much room gets it."""
        self._free(*room.record)
        self._spaces[f.SLOT].give(room.at[0], room.slots.cast("B"))
        self._spaces[f.LIVE].give(room.at[1], room.live.cast("B"))

    def counters(self, keys: Sequence[Sequence[str]]) -> memoryview[float]:
        """Room for telemetry's own counters. What was there before for fewer of them ends."""
        text = json.dumps(keys).encode("utf-8", "surrogatepass")
        slots_at, slots = self._spaces[f.SLOT].take(8 * len(keys))
        at, record = self._spaces[f.COLD].take(f.RECORD.size + len(text))
        record[f.RECORD.size : f.RECORD.size + len(text)] = text
        f.RECORD.pack_into(record, 0, f.OWN, len(record), slots_at, 0, len(keys), 0, len(text), 0)
        before, self._own = self._own, (at, record)
        if before is not None:
            self._free(*before)
        self.changed()
        return slots.cast("d")

    def close(self) -> None:
        """Give up the lock that says this process lives."""
        os.close(self.file)

    def _describe(self, room: Room, text: bytes, names: bytes = bytes(f.NAME.size * ERROR_NAMES)) -> None:
        begin = f.RECORD.size + len(names)
        at, record = self._spaces[f.COLD].take(begin + len(text))
        record[f.RECORD.size : begin] = names
        record[begin : begin + len(text)] = text
        layout = room.layout
        live = len(live_slots(layout))
        f.RECORD.pack_into(
            record, 0, f.GUARD, len(record), *room.at, layout.width, live, len(text), ERROR_NAMES
        )
        room.record = (at, record)
        room.names = record[f.RECORD.size : begin]
        self.changed()

    def _free(self, at: int, record: memoryview) -> None:
        record[:4] = f.FREE
        self.changed()
        self._spaces[f.COLD].give(at, record)

    def changed(self) -> None:
        """What readers know of records is out of date."""
        struct.pack_into("<Q", self._header, f.GENERATION_AT, next(self._generations))

    def extend(self, kind: bytes, size: int) -> tuple[int, int, memoryview]:
        """(number, offset, storage) of one more extent."""
        if self._extents >= f.MOST_EXTENTS:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        size += -size % f.PAGE
        at = self._end
        allocate(self.file, at, size)
        storage = memoryview(mmap.mmap(self.file, size, offset=at))
        self._end += size
        number = self._extents
        self._extents += 1
        f.EXTENT.pack_into(self._header, f.TABLE_AT + number * f.EXTENT.size, kind, at, size, 0)
        struct.pack_into("<Q", self._header, f.COUNT_AT, self._extents)
        self.changed()
        return number, at, storage

    def use(self, number: int, used: int) -> None:
        place = f.TABLE_AT + number * f.EXTENT.size
        struct.pack_into("<Q", self._header, place + f.EXTENT.size - 8, used)


class _Space:
    """All extents of one kind, and what was given back of them."""

    def __init__(self, segment: Segment, kind: bytes) -> None:
        self._segment = segment
        self._kind = kind
        self._next = _SMALLEST
        self._number, self._at, self._storage, self._used = 0, 0, memoryview(b""), 0
        self._free: dict[int, list[tuple[int, memoryview]]] = {}

    def grow(self, size: int) -> None:
        self._number, self._at, self._storage = self._segment.extend(self._kind, max(size, 8))
        self._used = 0

    def take(self, size: int) -> tuple[int, memoryview]:
        """(offset, storage) of so many bytes, or a few more, all 0."""
        size += -size % _ROUND[self._kind]
        if free := self._free.get(size):
            at, storage = free.pop()
            begin = 8 if self._kind == f.COLD else 0  # that it is free, and its size: who reads walks over it
            storage[begin:] = bytes(size - begin)
            return at, storage
        if self._used + size > len(self._storage):
            self.grow(max(size, self._next))
            self._next = min(2 * self._next, _LARGEST)
        begin, self._used = self._used, self._used + size
        storage = self._storage[begin : self._used]
        if self._kind == f.COLD:
            f.RECORD.pack_into(storage, 0, f.FREE, size, 0, 0, 0, 0, 0, 0)
        self._segment.use(self._number, self._used)
        return self._at + begin, storage

    def give(self, at: int, storage: memoryview) -> None:
        self._free.setdefault(len(storage), []).append((at, storage))


def _text(entry: dict[str, Any], family: str, layout: Layout) -> bytes:
    described = {"entry": entry, "family": family, "spec": layout.spec, "signature": signature(layout)}
    return json.dumps(described).encode("utf-8", "surrogatepass")


def allocate(file: int, offset: int, size: int) -> None:
    """Take the disk space now, where the platform can; elsewhere write it."""
    try:
        os.posix_fallocate(file, offset, size)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
            raise
        if os.pwrite(file, bytes(size), offset) != size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
