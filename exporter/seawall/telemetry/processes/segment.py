"""The file of one process: a header, then a block per guard, all of fixed layout.

Numbers are written straight into the mapped file, eight aligned bytes each, so that a process that is killed
at any instant loses none that it had counted. The room for a block is allocated before it is mapped: a full
disk is an error then, never a signal later. Readers never map: a file that shrinks is an error for them too.

    header   magic, format, pid, start (ns since the epoch), id, generation, bytes that may be read
    block    magic, sizes | JSON: guard, layout, policies | slots | live values | names of error types

Integers are little-endian, doubles the machine's own; blocks begin on page boundaries.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from seawall.resilience.fields import ERROR_NAMES
from seawall.resilience.ledger import Layout, layout_of
from seawall.telemetry.source import LIVE

SUFFIX = ".worker"
FORMAT = 1
_MAGIC, _BLOCK_MAGIC, _FREE_MAGIC = b"SEAWALL\n", b"BLK\n", b"FREE"
_HEADER = struct.Struct("<8sIIQ16sQQ")
_ID_AT, _GENERATION_AT = 24, 40
_BLOCK = struct.Struct("<4sIIIII")
_NAME = struct.Struct("<H62s")
_PAGE = mmap.ALLOCATIONGRANULARITY


class BadSegment(Exception):
    """A file that can't be read as a segment; the text is the reason, in a word or two."""


@dataclass(slots=True)
class Block:
    """One guard as one process counted it. ``raw``: doubles, its slots and then what is in its live slots."""

    entry: dict[str, Any]
    layout: Layout
    raw: bytes
    names: tuple[str | None, ...]

    @property
    def name(self) -> str:
        return str(self.entry["name"])


@lru_cache(maxsize=1024)
def live_slots(layout: Layout) -> tuple[int, ...]:
    """Slots of a reading whose values time moves: they are no sums of what was counted."""
    return tuple(e.offset for e in layout.entries if e.field.name in LIVE)


@lru_cache(maxsize=1024)
def signature(layout: Layout) -> str:
    """Differs whenever two layouts do: another set of fields, labels or buckets."""
    shape = [[e.field.name, *e.labels, e.offset, *e.bounds] for e in layout.entries]
    return hashlib.sha256(json.dumps([layout.width, shape]).encode()).hexdigest()[:16]


class Segment:
    """This process's own file. It grows by a block for every guard; blocks never move."""

    def __init__(self, path: str, file: int) -> None:
        self.path = path
        self.id = uuid.uuid4().bytes
        self._file = file
        self._end = _PAGE
        self._generation = 0
        self._free: dict[int, list[memoryview]] = {}
        _allocate(file, 0, _PAGE)
        self._header = mmap.mmap(file, _PAGE)
        start = time.time_ns()
        _HEADER.pack_into(self._header, 0, _MAGIC, FORMAT, os.getpid(), start, self.id, 0, self._end)

    def append(self, entry: dict[str, Any], layout: Layout) -> Room:
        """Room for one more guard, with all numbers 0. ``OSError`` when the disk has none; then nothing has
        changed.
        """
        described = json.dumps({"entry": entry, "spec": layout.spec, "signature": signature(layout)})
        text = described.encode("utf-8", "surrogatepass")
        text += b" " * (-(len(text) + _BLOCK.size) % 8)
        live = len(live_slots(layout))
        numbers = _BLOCK.size + len(text)
        names = numbers + 8 * (layout.width + live)
        size = names + _NAME.size * ERROR_NAMES
        size += -size % _PAGE
        block = self._room(size)
        block[_BLOCK.size : numbers] = text
        _BLOCK.pack_into(block, 0, _BLOCK_MAGIC, size, len(text), layout.width, live, ERROR_NAMES)
        self._changed()
        return Room(
            block,
            block[numbers : numbers + 8 * layout.width].cast("d"),
            block[numbers + 8 * layout.width : names].cast("d"),
            block[names : names + _NAME.size * ERROR_NAMES],
        )

    def give_back(self, room: Room) -> None:
        """The guard has gone: readers skip its block, until a guard that needs as much room gets it."""
        room.block[:4] = _FREE_MAGIC
        self._changed()
        self._free.setdefault(len(room.block), []).append(room.block)

    def _room(self, size: int) -> memoryview:
        if free := self._free.get(size):
            block = free.pop()
            block[4 + 4 :] = bytes(size - 8)
            return block
        _allocate(self._file, self._end, size)
        block = memoryview(mmap.mmap(self._file, size, offset=self._end))
        _BLOCK.pack_into(block, 0, _FREE_MAGIC, size, 0, 0, 0, 0)
        self._end += size
        return block

    def _changed(self) -> None:
        """Blocks came or went: what readers have parsed is out of date."""
        self._generation += 1
        struct.pack_into("<QQ", self._header, _GENERATION_AT, self._generation, self._end)

    def close(self) -> None:
        """Give up the lock that says this process lives. What is mapped stays until it is unused."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class Room:
    """Where one guard's numbers stand in the mapped file."""

    block: memoryview
    slots: memoryview[float]
    live: memoryview[float]
    _names: memoryview

    def name(self, index: int, name: str) -> None:
        text = name.encode("utf-8", "replace")[:62]
        _NAME.pack_into(self._names, index * _NAME.size, len(text), text)


def _allocate(file: int, offset: int, size: int) -> None:
    """Take the disk space now, where the platform can; elsewhere write it."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, offset, size)
    else:
        os.pwrite(file, bytes(size), offset)


class Reader:
    """Reads one segment, again and again: what does not change is parsed once and compared then."""

    __slots__ = ("_header", "_places", "_size")

    def __init__(self) -> None:
        self._header = b""
        self._size = 0
        self._places: list[_Place] = []

    def read(self, content: bytes) -> tuple[bytes, list[Block]]:
        """(id, blocks) of a segment's bytes. :class:`BadSegment` says why it is none."""
        header = content[: _HEADER.size]
        if header != self._header or len(content) < self._size:
            self._header = b""
            self._places = _parsed(content)
            self._size = len(content)
            self._header = header
        return header[_ID_AT:_GENERATION_AT], [place.block(content) for place in self._places]


@dataclass(slots=True)
class _Place:
    """One block in its file: offsets, and what is parsed of it."""

    numbers: int
    names: int
    end: int
    entry: dict[str, Any]
    layout: Layout
    _raw: bytes = b""
    _names: tuple[str | None, ...] = ()

    def block(self, content: bytes) -> Block:
        raw = content[self.names : self.end]
        if raw != self._raw:
            self._names = tuple(
                text[:length].decode("utf-8", "replace") if length else None
                for length, text in _NAME.iter_unpack(raw)
            )
            self._raw = raw
        return Block(self.entry, self.layout, content[self.numbers : self.names], self._names)


def _parsed(content: bytes) -> list[_Place]:
    if len(content) < _HEADER.size:
        raise BadSegment("truncated")
    magic, version, _, _, _, _, committed = _HEADER.unpack_from(content)
    if magic != _MAGIC:
        raise BadSegment("garbage")
    if version != FORMAT:
        raise BadSegment("other format")
    if committed > len(content) or committed < _PAGE:
        raise BadSegment("truncated")
    try:
        return list(_places(content, committed))
    except (struct.error, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise BadSegment("garbage") from error


def _places(content: bytes, committed: int) -> Iterator[_Place]:
    at = _PAGE
    while at < committed:
        magic, size, text, width, live, names = _BLOCK.unpack_from(content, at)
        if not 0 < size <= committed - at:
            raise ValueError
        if magic != _FREE_MAGIC:
            numbers = at + _BLOCK.size + text
            names_at = numbers + 8 * (width + live)
            end = names_at + _NAME.size * names
            if magic != _BLOCK_MAGIC or end > at + size:
                raise ValueError
            entry, layout = _described(content[at + _BLOCK.size : numbers])
            if (layout.width, len(live_slots(layout)), ERROR_NAMES) != (width, live, names):
                raise BadSegment("other layout")
            yield _Place(numbers, names_at, end, entry, layout)
        at += size


@lru_cache(maxsize=4096)
def _described(text: bytes) -> tuple[dict[str, Any], Layout]:
    described = json.loads(text)
    layout = layout_from(described["spec"])
    if signature(layout) != described["signature"]:
        raise BadSegment("other layout")
    entry = described["entry"]
    if not isinstance(entry["name"], str) or not isinstance(entry["policies"], dict):
        raise TypeError
    return entry, layout


def layout_from(spec: Sequence[Any]) -> Layout:
    """The layout whose ``spec`` went through JSON."""
    operations, policies, modes, bounds, stale_for = spec
    return layout_of(tuple(operations), tuple(policies), tuple(modes), tuple(bounds), stale_for)
