"""Reads the file of one process, again and again: what does not change is parsed once and compared then."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from weakref import WeakValueDictionary

from seawall.resilience.fields import ERROR_NAMES
from seawall.resilience.ledger import Layout
from seawall.telemetry.processes import format as f
from seawall.telemetry.processes.shapes import layout_from, live_slots, signature

#: Readings in which guards may come and go before this one is given up.
_TRIES = 10
_ERRORS = (struct.error, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)


class BadSegment(Exception):
    """A file that can't be read as a segment; the text is the reason, in a word or two.

    ``foreign``: another version of this library can.
    """

    def __init__(self, reason: str, *, foreign: bool = False) -> None:
        super().__init__(reason)
        self.foreign = foreign


@dataclass(frozen=True, slots=True)
class Place:
    """One guard in a segment. ``slots`` and ``live``: where its numbers begin among all of their kind."""

    entry: dict[str, Any]
    family: str
    layout: Layout
    names: tuple[str | None, ...]
    slots: int
    live: int

    @property
    def name(self) -> str:
        return str(self.entry["name"])


@dataclass(frozen=True, eq=False)
class Directory:
    """What is in a segment. Processes whose guards were built alike share one.

    ``keys`` of telemetry's own counters, which begin at ``own``.
    """

    places: tuple[Place, ...]
    keys: tuple[tuple[str, ...], ...]
    own: int
    sizes: tuple[int, int]


@dataclass(slots=True)
class Content:
    """A segment at one moment: ``slots`` and ``live`` are doubles."""

    identity: str
    start: int
    directory: Directory
    slots: bytes
    live: bytes


class Reader:
    """Of one file."""

    __slots__ = ("_directory", "_head", "_identity", "_near", "_ranges", "_reach", "_start")

    def __init__(self) -> None:
        self._head = b""
        self._reach = 0
        self._directory: Directory | None = None
        self._ranges: dict[bytes, list[tuple[int, int]]] = {}
        self._identity, self._start = "", 0
        #: Where counters and live values are when there is one range of each, read with the header.
        self._near: tuple[slice, slice] | None = None

    def read(self, file: int) -> Content:
        """What is in an open file. :class:`BadSegment` says why it is none."""
        try:
            for _ in range(_TRIES):
                found = self._read(file)
                if found is not None:
                    return found
        except OSError as error:
            raise BadSegment("unreadable") from error
        raise BadSegment("busy")

    def _read(self, file: int) -> Content | None:
        """``None`` when guards came or went meanwhile."""
        if self._directory is None:
            self._look(file)
        directory, head = self._directory, self._head
        assert directory is not None
        content = os.pread(file, self._reach, 0)
        length = len(head)
        if content[:length] != head:
            self._directory = None
            if len(content) < length:
                raise BadSegment("truncated")
            return None
        if self._near is not None:
            slots, live = content[self._near[0]], content[self._near[1]]
        else:
            slots, live = self._joined(file, content, f.SLOT), self._joined(file, content, f.LIVE)
        if os.pread(file, length, 0) != head:
            self._directory = None
            return None
        if (len(slots), len(live)) != directory.sizes:
            raise BadSegment("truncated")
        return Content(self._identity, self._start, directory, slots, live)

    def _joined(self, file: int, content: bytes, kind: bytes) -> bytes:
        parts = [
            content[begin:end] if end <= len(content) else os.pread(file, end - begin, begin)
            for begin, end in self._ranges[kind]
        ]
        return b"".join(parts)

    def _look(self, file: int) -> None:
        """Parse the header and the records."""
        head = os.pread(file, f.TABLE_AT + f.MOST_EXTENTS * f.EXTENT.size, 0)
        if len(head) < f.HEADER.size:
            raise BadSegment("truncated")
        magic, version, _, _, _, _, count = f.HEADER.unpack_from(head)
        if magic != f.MAGIC:
            raise BadSegment("garbage")
        if version != f.FORMAT:
            raise BadSegment("other format", foreign=True)
        if count > f.MOST_EXTENTS:
            raise BadSegment("garbage")
        length = f.TABLE_AT + count * f.EXTENT.size
        if len(head) < length:
            raise BadSegment("truncated")
        head = head[:length]
        size = os.fstat(file).st_size
        ranges: dict[bytes, list[tuple[int, int]]] = {f.SLOT: [], f.LIVE: [], f.COLD: []}
        reach = f.PAGE
        try:
            for kind, at, room, used in f.EXTENT.iter_unpack(head[f.TABLE_AT :]):
                if at % f.PAGE or used > room or used % 8:
                    raise BadSegment("garbage")
                if at + room > size:
                    raise BadSegment("truncated")
                ranges[kind].append((at, at + used))
                if kind != f.COLD and at - reach < f.PAGE:
                    reach = at + used
            cold = [os.pread(file, end - begin, begin) for begin, end in ranges[f.COLD]]
            self._directory = _directory(cold, ranges)
        except _ERRORS as error:
            raise BadSegment("garbage") from error
        self._head, self._ranges = head, ranges
        self._reach = max(reach, len(head))
        self._identity = head[f.ID_AT : f.GENERATION_AT].hex()
        (self._start,) = struct.unpack_from("<Q", head, f.START_AT)
        numbers = [*ranges[f.SLOT], *ranges[f.LIVE]]
        near = len(ranges[f.SLOT]) == len(ranges[f.LIVE]) == 1 and max(numbers)[1] <= self._reach
        self._near = (slice(*numbers[0]), slice(*numbers[1])) if near else None


_known: WeakValueDictionary[bytes, Directory] = WeakValueDictionary()


def _directory(cold: list[bytes], ranges: dict[bytes, list[tuple[int, int]]]) -> Directory:
    digest = hashlib.sha256(repr((ranges[f.SLOT], ranges[f.LIVE])).encode() + b"".join(cold)).digest()
    directory = _known.get(digest)
    if directory is None:
        directory = _known[digest] = _parsed(cold, ranges)
    return directory


def _parsed(cold: list[bytes], ranges: dict[bytes, list[tuple[int, int]]]) -> Directory:
    # Of two records for the same numbers the second is what the first is about to become.
    places: dict[int, Place] = {}
    keys: tuple[tuple[str, ...], ...] = ()
    own = 0
    for content in cold:
        for magic, record in _records(content):
            _, _, slots, live, width, lives, length, names = f.RECORD.unpack_from(record)
            begin = f.RECORD.size + names * f.NAME.size
            text = record[begin : begin + length]
            if len(text) != length:
                raise ValueError
            slot = _index(ranges[f.SLOT], slots, width)
            if magic == f.OWN:
                keys, own = tuple(tuple(map(str, key)) for key in json.loads(text)), slot
                if len(keys) != width:
                    raise ValueError
                continue
            entry, family, layout = described(text)
            if (layout.width, len(live_slots(layout)), ERROR_NAMES) != (width, lives, names):
                raise BadSegment("other layout", foreign=True)
            found = tuple(
                name[:size].decode("utf-8", "replace") if size else None
                for size, name in f.NAME.iter_unpack(record[f.RECORD.size : begin])
            )
            places[slot] = Place(entry, family, layout, found, slot, _index(ranges[f.LIVE], live, lives))
    sizes = tuple(sum(end - begin for begin, end in ranges[kind]) for kind in (f.SLOT, f.LIVE))
    return Directory(tuple(places.values()), keys, own, (sizes[0], sizes[1]))


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(content):
        magic, size = struct.unpack_from("<4sI", content, at)
        if magic not in (f.GUARD, f.OWN, f.FREE) or size < f.RECORD.size or at + size > len(content):
            raise ValueError
        if magic != f.FREE:
            yield magic, content[at : at + size]
        at += size


def _index(ranges: Sequence[tuple[int, int]], at: int, count: int) -> int:
    """The number of the double at an offset of the file, among those of its kind."""
    before = 0
    for begin, end in ranges:
        if begin <= at and at + 8 * count <= end and at % 8 == 0:
            return (before + at - begin) // 8
        before += end - begin
    if not count:
        return 0
    raise ValueError


@lru_cache(maxsize=4096)
def described(text: bytes) -> tuple[dict[str, Any], str, Layout]:
    """(entry of the policy document, family, layout) from a record's JSON."""
    document = json.loads(text)
    layout = layout_from(document["spec"])
    if signature(layout) != document["signature"]:
        raise BadSegment("other layout", foreign=True)
    entry, family = document["entry"], document["family"]
    texts = (family, entry["name"], entry["criticality"], entry["hash"])
    if not all(isinstance(text, str) for text in texts) or not isinstance(entry["policies"], dict):
        raise TypeError
    return entry, family, layout
