"""Load generator: requests over HTTP at fixed rates, whether or not earlier ones were answered (open loop).

Each answer becomes one line of JSON (a `Record`) in a file. Latency counts from the moment that the request
was due, so that a service which falls behind can't hide it. Runs until SIGTERM or SIGINT, then waits for
what is under way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import httpx

from reference import sample

CLIENT_TIMEOUT = 10.0
RARE = 0.025


@dataclass(frozen=True, slots=True)
class Record:
    """One request. `at`: when it was due, Unix seconds; `status` 0: no answer, and `error` says why.

    `late`: how long after that the generator got to send it, seconds. It does little else: when it is late
    the machine is busy.
    """

    kind: str
    at: float
    seconds: float
    late: float
    status: int
    correlation_id: str = ""
    degraded: bool = False
    waiting: bool = False
    key: str = ""
    error: str = ""

    @property
    def needs_bank(self) -> bool:
        return self.kind == "reconciliation"

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Request:
    """What to send, and the key under which it must be found in the end ("" when nothing is kept of it)."""

    method: str
    path: str
    content: bytes = b""
    key: str = ""


def upload_content(name: str) -> bytes:
    """The content that belongs to an upload's name: whoever looks later can tell whether it is whole."""
    return random.Random(name).randbytes(4_096)


def _day(dice: random.Random) -> str:
    return dice.choice(sample.days()).isoformat()


def reconciliation(dice: random.Random) -> Request:
    """Now and then one of a day long past, that nobody has asked for before."""
    past = sample.FIRST_DAY - timedelta(days=dice.randrange(1, 3_650))
    return Request("POST", f"/reconciliations/{past if dice.random() < RARE else _day(dice)}")


def analytics(dice: random.Random) -> Request:
    return Request("GET", f"/analytics/{_day(dice)}")


def upload(dice: random.Random) -> Request:
    name = f"export-{uuid.UUID(int=dice.getrandbits(128))}.csv"
    return Request("PUT", f"/files/{name}", upload_content(name), name)


def report(dice: random.Random) -> Request:
    key = f"report-{uuid.UUID(int=dice.getrandbits(128))}"
    body = {"id": key, "to": "finance@example.com", "day": _day(dice)}
    return Request("POST", "/reports", json.dumps(body).encode(), key)


KINDS: dict[str, tuple[float, Callable[[random.Random], Request]]] = {
    "reconciliation": (12.0, reconciliation),
    "analytics": (14.0, analytics),
    "upload": (4.0, upload),
    "report": (3.0, report),
}
"""Requests a second of each kind, and how one is made."""


class Load:
    """Sends what `KINDS` says to a service and writes records."""

    def __init__(self, url: str, out: IO[str], *, seed: int, scale: float = 1.0) -> None:
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=64)
        self._client = httpx.AsyncClient(base_url=url, timeout=CLIENT_TIMEOUT, limits=limits)
        self._out = out
        self._seed = seed
        self._scale = scale
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop` is set; return after the last answer."""
        senders = [
            asyncio.create_task(self._send_kind(kind, rate * self._scale, make, stop))
            for kind, (rate, make) in KINDS.items()
        ]
        await asyncio.gather(*senders)
        while self._under_way:
            await asyncio.wait(self._under_way)
        await self._client.aclose()

    async def _send_kind(
        self, kind: str, rate: float, make: Callable[[random.Random], Request], stop: asyncio.Event
    ) -> None:
        dice = random.Random(f"{self._seed} {kind}")
        start = time.monotonic() + dice.random() / rate
        number = 0
        while not stop.is_set():
            due = start + number / rate
            number += 1
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._send(kind, make(dice), due))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _send(self, kind: str, request: Request, due: float) -> None:
        late = time.monotonic() - due
        at = time.time() - late
        status, correlation_id, error, answer = 0, "", "", {}
        try:
            response = await self._client.request(request.method, request.path, content=request.content)
            status = response.status_code
            correlation_id = response.headers.get("x-request-id", "")
            answer = _body(response)
        except httpx.HTTPError as problem:
            error = type(problem).__name__
        seconds = time.monotonic() - due
        record = Record(
            kind,
            round(at, 6),
            round(seconds, 6),
            round(late, 6),
            status,
            correlation_id,
            bool(answer.get("degraded")),
            bool(answer.get("waiting")),
            request.key,
            error,
        )
        self._out.write(json.dumps(asdict(record)) + "\n")
        self._out.flush()


def _body(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


async def _run(url: str, path: Path, seed: int, scale: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with path.open("a", encoding="utf-8") as out:
        await Load(url, out, seed=seed, scale=scale).run(stop)


def main() -> None:
    parser = argparse.ArgumentParser(description="Requests at fixed rates, answers as JSON lines.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0, help="times the usual rates")
    arguments = parser.parse_args()
    asyncio.run(_run(arguments.url, arguments.out, arguments.seed, arguments.scale))


if __name__ == "__main__":
    main()
