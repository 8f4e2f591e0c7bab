"""The file of one process: a header, then a block per guard, all of fixed layout.

Numbers are written straight into the mapped file, eight aligned bytes each, so that a process that is killed
at any instant loses none that it had counted. The room for a block is allocated before it is mapped: a full
disk is an error then, never a signal later. Readers never map: a file that shrinks is an error for them too.

    header   magic, format, pid, start (ns since the epoch), id, bytes that may be read
    block    magic, sizes | JSON: guard, layout, policies | slots | live values | names of error types

All integers and doubles little-endian; blocks begin on page boundaries.
"""

from __future__ import annotations

import hashlib
import json
import math
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
_HEADER = struct.Struct("<8sIIQ16sQ")
_COMMITTED_AT = _HEADER.size - 8
_BLOCK = struct.Struct("<4sIIIII")
_NAME = struct.Struct("<H62s")
_PAGE = mmap.ALLOCATIONGRANULARITY


class BadSegment(Exception):
    """A file that can't be read as a segment; the text is the reason, in a word or two."""


@dataclass(frozen=True, slots=True)
class Block:
    """One guard as one process counted it. ``live``: values of :func:`live_entries`, in their order."""

    entry: dict[str, Any]
    layout: Layout
    slots: Sequence[float]
    live: Sequence[float]
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
        self._free: dict[int, list[memoryview]] = {}
        _allocate(file, 0, _PAGE)
        self._header = mmap.mmap(file, _PAGE)
        start = time.time_ns()
        _HEADER.pack_into(self._header, 0, _MAGIC, FORMAT, os.getpid(), start, self.id, self._end)

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
        return Room(
            block,
            block[numbers : numbers + 8 * layout.width].cast("d"),
            block[numbers + 8 * layout.width : names].cast("d"),
            block[names : names + _NAME.size * ERROR_NAMES],
        )

    def give_back(self, room: Room) -> None:
        """The guard has gone: readers skip its block, until a guard that needs as much room gets it."""
        room.block[:4] = _FREE_MAGIC
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
        struct.pack_into("<Q", self._header, _COMMITTED_AT, self._end)
        return block

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


def read(content: bytes) -> tuple[bytes, list[Block]]:
    """(id, blocks) of a segment's bytes. :class:`BadSegment` says why it is none."""
    if len(content) < _HEADER.size:
        raise BadSegment("truncated")
    magic, version, _, _, identity, committed = _HEADER.unpack_from(content)
    if magic != _MAGIC:
        raise BadSegment("garbage")
    if version != FORMAT:
        raise BadSegment("other format")
    if committed > len(content) or committed < _PAGE:
        raise BadSegment("truncated")
    try:
        return identity, list(_blocks(content, committed))
    except (struct.error, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise BadSegment("garbage") from error


def _blocks(content: bytes, committed: int) -> Iterator[Block]:
    at = _PAGE
    while at < committed:
        magic, size, text, width, live, names = _BLOCK.unpack_from(content, at)
        if magic == _FREE_MAGIC and 0 < size <= committed - at:
            at += size
            continue
        numbers = at + _BLOCK.size + text
        end = numbers + 8 * (width + live) + _NAME.size * names
        if magic != _BLOCK_MAGIC or size <= 0 or end > at + size or at + size > committed:
            raise ValueError
        entry, layout = _described(content[at + _BLOCK.size : numbers])
        if layout.width != width or len(live_slots(layout)) != live or names != ERROR_NAMES:
            raise BadSegment("other layout")
        values = struct.unpack_from(f"<{width + live}d", content, numbers)
        total = sum(values)
        if not math.isfinite(total) or min(values) < 0:
            raise ValueError
        yield Block(entry, layout, values[:width], values[width:], _names(content, end))
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


def _names(content: bytes, end: int) -> tuple[str | None, ...]:
    begin = end - _NAME.size * ERROR_NAMES
    raw = _NAME.iter_unpack(content[begin:end])
    return tuple(text[:length].decode("utf-8", "replace") if length else None for length, text in raw)
