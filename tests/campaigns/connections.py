"""A scrape in a crowd that wants nothing: ``python tests/campaigns/connections.py``. How long it takes.

The exporter, the crowd and the scraper are processes of their own. Each of the crowd connects, does what its
kind does, and comes again five seconds after it was cut off. The scraper opens a connection for each scrape.
With 128 places (the default) the crowd is cut off again and again; with 1,200 all of it stays.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import ssl
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import trustme

from seawall.exporter import ExporterServer, ExporterSettings, Limits, create_app
from seawall.resilience import Breaker, Registry, Retry

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs/reference/campaigns/connections.md"
ALLOWED = 1.0
AGAIN_AFTER = 5.0
#: Seconds in which all of a crowd come for the first time; scrapes of this time count too.
ARRIVAL = 4.0
GUARDS = 20
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
EVER = 3600.0

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
Kind = Callable[[Reader, Writer], Awaitable[None]]


async def silent(reader: Reader, writer: Writer) -> None:
    await reader.read()


async def half_a_hello(reader: Reader, writer: Writer) -> None:
    writer.write(HELLO)
    await reader.read()


async def slow(reader: Reader, writer: Writer) -> None:
    """A byte of a header now and then."""
    writer.write(REQUEST[:-2])
    while not reader.at_eof():
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(1.0)


async def unread(reader: Reader, writer: Writer) -> None:
    """Asks for many pages and reads none of them."""
    writer.write(REQUEST * 50)
    await asyncio.sleep(EVER)


async def guessing(reader: Reader, writer: Writer) -> None:
    """One wrong password after the other."""
    while not reader.at_eof():
        guess = REQUEST[:-2] + b"Authorization: Basic YTpodW50ZXIy\r\n\r\n"
        writer.write(guess)
        await reader.readuntil(b"}")


#: What each does, whether it speaks TLS, whether the server does, and how many of them come.
CROWDS: dict[str, tuple[Kind, bool, bool, int]] = {
    "half-open": (silent, False, False, 1000),
    "a byte a second": (slow, False, False, 1000),
    "pages asked for, not read": (unread, False, False, 100),
    "half-open, server with TLS": (silent, False, True, 1000),
    "half a ClientHello": (half_a_hello, False, True, 1000),
    "silent after the TLS handshake": (silent, True, True, 1000),
    "no password over TLS, answers not read": (unread, True, True, 1000),
    "wrong passwords over TLS": (guessing, True, True, 50),
}


def serve(folder: Path, tls: bool, places: int, port: Any, end: Event) -> None:
    """The exporter, until it is told to end."""
    registry = Registry("campaign")
    for number in range(GUARDS):
        registry.guard(f"dependency-{number}", breaker=Breaker(), retry=Retry()).call(str)
    limits = Limits(connections=places)
    file = folder / "web.yml" if tls else None
    server = ExporterServer(create_app(registry), ExporterSettings(port=0, web_config=file, limits=limits))
    server.start()
    port.value = server.port
    end.wait()
    server.stop()


def crowd(name: str, port: int, held: Any, end: Event) -> None:
    asyncio.run(_crowd(name, port, held, end))


async def _crowd(name: str, port: int, held: Any, end: Event) -> None:
    kind, tls, _, many = CROWDS[name]
    context = None
    if tls:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async def one(number: int) -> None:
        await asyncio.sleep(ARRIVAL * number / many)
        while True:
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=1024)
                held.value += 1
                try:
                    await kind(reader, writer)
                finally:
                    held.value -= 1
                    writer.transport.abort()
            await asyncio.sleep(AGAIN_AFTER)

    everybody = [asyncio.create_task(one(number)) for number in range(many)]
    await asyncio.to_thread(end.wait)
    for task in everybody:
        task.cancel()


def scrapes(port: int, trust: ssl.SSLContext | None, seconds: float) -> tuple[list[float], int]:
    """How long each scrape took, and how many failed."""
    took, failed = [], 0
    scheme = "https" if trust is not None else "http"
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.perf_counter()
        try:
            with httpx.Client(verify=trust or False, auth=("prometheus", "pass"), timeout=10.0) as http:
                answer = http.get(f"{scheme}://127.0.0.1:{port}/metrics")
            failed += answer.status_code != 200 or f"dependency-{GUARDS - 1}" not in answer.text
        except httpx.HTTPError:
            failed += 1
        took.append(time.perf_counter() - began)
        time.sleep(max(0.0, 0.25 - took[-1]))
    return took, failed


def run(name: str, folder: Path, trust: ssl.SSLContext, places: int, seconds: float) -> tuple[str, bool]:
    """A row of the report, and whether all went well."""
    _, _, tls, many = CROWDS[name]
    context = multiprocessing.get_context("spawn")
    end, port, held = context.Event(), context.Value("i", 0), context.Value("i", 0)
    server = context.Process(target=serve, args=(folder, tls, places, port, end))
    server.start()
    while not port.value:
        time.sleep(0.05)
    own = trust if tls else None
    scrapes(port.value, own, 0.5)
    others = context.Process(target=crowd, args=(name, port.value, held, end))
    others.start()
    try:
        while not held.value:
            time.sleep(0.05)
        took, failed = scrapes(port.value, own, ARRIVAL)
        most = held.value
        then, more = scrapes(port.value, own, seconds)
        took, failed, most = took + then, failed + more, max(most, held.value)
    finally:
        end.set()
        others.join()
        server.join()
    median, worst = statistics.median(took), max(took)
    row = f"| {name} | {many:,} | {places:,} | {most:,} | {len(took)} | {failed} "
    return f"{row}| {1000 * median:.0f} | {1000 * worst:.0f} |", not failed and worst < ALLOWED


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of scraping in each crowd")
    parser.add_argument("--only", default="", help="crowds whose name holds this")
    parser.add_argument("--write", action="store_true", help=f"keep the report in {REPORT.relative_to(ROOT)}")
    arguments = parser.parse_args()
    rows, good = [], True
    with tempfile.TemporaryDirectory() as made:
        folder, authority = Path(made), trustme.CA()
        authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        hashed = bcrypt.hashpw(b"pass", bcrypt.gensalt(10)).decode()
        text = "tls_server_config: {cert_file: server.pem, key_file: server.pem}\n"
        (folder / "web.yml").write_text(text + f"basic_auth_users: {{prometheus: {hashed}}}\n")
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        for name in CROWDS:
            for places in (128, 1200) if arguments.only in name else ():
                row, well = run(name, folder, trust, places, arguments.seconds)
                good &= well
                rows.append(row)
                print(row, flush=True)
    if arguments.write:
        REPORT.write_text("\n".join(_report(arguments.seconds, rows)), encoding="utf-8")
    return int(not good)


def _report(seconds: float, rows: list[str]) -> list[str]:
    return [
        "# Many connections",
        "",
        f"`python tests/campaigns/connections.py --seconds {seconds:g} --write`,"
        f" {datetime.now(UTC):%Y-%m-%d}:"
        f" an exporter of {GUARDS} guards, scraped four times a second over a new connection each time"
        " (with TLS also a new handshake, and a password) while a crowd comes and holds on to whatever it"
        f" gets: all within {ARRIVAL:g} s, and again {AGAIN_AFTER:g} s after being cut off. Exporter, crowd"
        f" and scraper share two cores. No scrape may fail, or take {ALLOWED:g} s.",
        "",
        "| crowd | clients | places | held | scrapes | failed | ms, median | ms, worst |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
        *rows,
        "",
    ]


if __name__ == "__main__":
    sys.exit(main())
