"""Errors as HTTP answers: problem details (RFC 9457) with the correlation id, safe to show anybody."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from http import HTTPStatus

from seawall.resilience import ResilienceError
from seawall.telemetry import correlation

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """Status, headers and body of one answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def status_line(self) -> str:
        """As WSGI wants it: ``503 Service Unavailable``."""
        return f"{self.status} {HTTPStatus(self.status).phrase}"


def from_error(error: ResilienceError) -> Problem:
    """What a caller gets for an error of a guard: 503, 504 or 429, and ``Retry-After`` where it is known."""
    return _problem(error.problem(), error.retry_after)


def internal() -> Problem:
    """What a caller gets for any other error: that it happened, and the id to ask about it."""
    return _problem({"type": "about:blank", "title": "Internal Server Error", "status": 500}, None)


def _problem(document: dict[str, object], retry_after: float | None) -> Problem:
    headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    if retry_after is not None and math.isfinite(retry_after):
        headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    identifier = correlation.current()
    if identifier:
        document = {**document, "correlation_id": identifier}
    status = document["status"]
    return Problem(status if isinstance(status, int) else 500, headers, json.dumps(document).encode())
