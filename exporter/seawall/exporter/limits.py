"""What one client may take: time for each part of a request, bytes, and a place among the connections."""

from __future__ import annotations

from dataclasses import dataclass

from seawall.resilience.checks import Checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds for every connection of the exporter. Times are in seconds.

    ``connections``: open at once (128: a scraper or two, probes and a person need ten). One more takes the
    place of the oldest that has sent nothing, then of the oldest that has not asked yet or leaves its answer
    unread, then of the oldest that idles; while all are being answered it is sent away.
    ``handshake``: to the first byte, and from there to the end of the TLS handshake (5; on a bad line it
    takes one).
    ``headers``: to the first byte, and from there to the end of the headers (5).
    ``answer``: from the request to the last byte of its answer (30; Prometheus gives up after 10 by default).
    ``idle``: between two requests (65: over a usual scrape interval, so that a scraper keeps its connection).
    ``line_bytes``: method, target and version (2048; the longest path here has 24).
    ``header_bytes``: all headers together, the line included (16384, as most servers have it).
    """

    connections: int = 128
    handshake: float = 5.0
    headers: float = 5.0
    answer: float = 30.0
    idle: float = 65.0
    line_bytes: int = 2048
    header_bytes: int = 16384

    def __post_init__(self) -> None:
        checks = Checks("Limits")
        checks.number("connections", self.connections, at_least=1, whole=True)
        for name in ("handshake", "headers", "answer", "idle"):
            checks.number(name, getattr(self, name), above=0)
        for name in ("line_bytes", "header_bytes"):
            checks.number(name, getattr(self, name), at_least=64, whole=True)
        checks.done()
