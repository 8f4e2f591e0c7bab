"""Samples for a Prometheus over its remote write protocol, many replicas of one page at a time."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

LINE = re.compile(rb"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?$")
LABEL = re.compile(rb'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
ESCAPED = {rb"\n": b"\n", rb"\"": b'"', rb"\\": b"\\"}
#: Of one request, before it is sent.
SIZE = 4_000_000
HEADERS = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


def samples(page: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Series as they stand on a page, and their values."""
    for line in page.splitlines():
        if line and line[0] != 35:
            name, _, value = line.rpartition(b" ")
            yield name, value


def packed(values: Mapping[int, bytes]) -> bytes:
    """Samples of one series by the millisecond they are from."""
    pack = struct.pack
    return b"".join(
        b"\x12\x10\x09" + pack("<d", float(value)) + b"\x10" + _varint(at) for at, value in values.items()
    )


class Labelled:
    """A series of a page, with room for the labels that tell one target from another."""

    def __init__(self, series: bytes, more: Mapping[bytes, bytes], differs: bytes) -> None:
        found = LINE.match(series)
        assert found is not None, series
        labels = {b"__name__": found[1], **more}
        labels |= {
            name: re.sub(rb"\\.", lambda escape: ESCAPED[escape[0]], value)
            for name, value in LABEL.findall(found[2] or b"")
        }
        self.before = b"".join(_label(n, labels[n]) for n in sorted(labels) if n < differs)
        self.after = b"".join(_label(n, labels[n]) for n in sorted(labels) if n > differs)

    def of(self, label: bytes, data: bytes) -> bytes:
        body = self.before + label + self.after + data
        return b"\x0a" + _varint(len(body)) + body


def target(name: bytes, value: str) -> bytes:
    return _label(name, value.encode())


def requests(series: Iterable[bytes]) -> Iterator[bytes]:
    """Bodies of requests."""
    held: list[bytes] = []
    size = 0
    for one in series:
        held.append(one)
        size += len(one)
        if size > SIZE:
            yield _snappy(b"".join(held))
            held, size = [], 0
    if held:
        yield _snappy(b"".join(held))


def _label(name: bytes, value: bytes) -> bytes:
    body = b"\x0a" + _varint(len(name)) + name + b"\x12" + _varint(len(value)) + value
    return b"\x0a" + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    out: list[int] = []
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def _snappy(data: bytes) -> bytes:
    """Snappy's format, with everything in it as it is: nothing is gained by compressing for this machine."""
    return _varint(len(data)) + b"\xfc" + struct.pack("<I", len(data) - 1) + data


def steps(pages: Sequence[bytes], times: Sequence[int]) -> dict[bytes, dict[int, bytes]]:
    """Values of consecutive pages by series and time."""
    found: dict[bytes, dict[int, bytes]] = {}
    for page, at in zip(pages, times, strict=True):
        for name, value in samples(page):
            found.setdefault(name, {})[at] = value
    return found
