"""What calls pay when the collector is gone: ``python tests/campaigns/telemetry_outage.py``.

Each kind of outage, over gRPC and HTTP, with each signal: calls at a steady pace in a process of its own, in
turns with nothing pushed and with the outage, and at the end of each turn a shutdown. Other programs on the
machine are left out: time in which a call could run and had no processor (Linux tells) is not counted.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]

from seawall.resilience import Breaker, Bulkhead, Registry, Retry
from seawall.startup import OtlpSettings, ResilienceManager
from seawall.telemetry.otlp import SIGNALS

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "docs/reference/campaigns/telemetry_outage.md"
OUTAGES = ("refused", "black hole", "slow", "503")
PROTOCOLS = ("grpc", "http")
#: Calls a second, and the share of them that fail, are tried again, and write a line.
PACE, FAILING = 1000, 0.1
TURNS = 4
DEADLINE = 1.0
ALLOWED_MS, ALLOWED_OVER = 1.0, 0.5
#: Seconds in which a slow collector answers; the export's own time limit is 5.
SLOW = 3.0


class Answers(BaseHTTPRequestHandler):
    """The HTTP side of collectors that are slow, or say 503."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        slow = getattr(self.server, "slow", False)
        if slow:
            time.sleep(SLOW)
        self.send_response(200 if slow else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
    """The gRPC side: any method, whatever it is asked."""

    def __init__(self, slow: bool) -> None:
        self.slow = slow

    def service(self, _: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self.answer)

    def answer(self, _: bytes, context: Any) -> bytes:
        if self.slow:
            time.sleep(SLOW)
            return b""
        return bytes(context.abort(grpc.StatusCode.UNAVAILABLE, "not now") or b"")


@contextmanager
def collector(outage: str, protocol: str) -> Iterator[str]:
    """The endpoint of one that is out of order."""
    with ExitStack() as stack:
        if outage in ("refused", "black hole"):
            silent = stack.enter_context(socket.socket())
            silent.bind(("127.0.0.1", 0))
            if outage == "black hole":
                silent.listen(1000)
            port = silent.getsockname()[1]
        elif protocol == "http":
            server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
            server.daemon_threads = True
            server.slow = outage == "slow"  # type: ignore[attr-defined]
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            port = server.server_address[1]
        else:
            of_grpc = grpc.server(ThreadPoolExecutor(16), handlers=[Handler(outage == "slow")])
            port = of_grpc.add_insecure_port("127.0.0.1:0")
            of_grpc.start()
            stack.callback(lambda: of_grpc.stop(None))
        yield f"http://127.0.0.1:{port}"


def fail() -> None:
    raise ConnectionError


class Waited:
    """Nanoseconds that this thread could have run and had no processor."""

    def __init__(self) -> None:
        self.file = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def __call__(self) -> int:
        return int(os.pread(self.file, 100, 0).split()[1])


def calls(guard: Any, manager: ResilienceManager, seconds: float, chance: random.Random) -> list[float]:
    """How long each call took, in milliseconds."""
    took: list[float] = []
    waited = Waited()
    due = time.perf_counter()
    until = due + seconds
    while due < until:
        fails = chance.random() < FAILING
        before = waited()
        began = time.perf_counter()
        try:
            guard.call(fail if fails else int)
        except ConnectionError:
            if manager.logger is not None:
                manager.logger.warning("call.failed", dependency="bank")
        ended = time.perf_counter()
        took.append((ended - began) * 1e3 - (waited() - before) / 1e6)
        due += 1 / PACE
        time.sleep(max(0.0, due - time.perf_counter()))
    return took


def case(which: list[Any], seconds: float, seed: int) -> dict[str, float]:
    """Endpoint, protocol, signal; in a process of its own. Times in milliseconds, shutdowns in seconds."""
    endpoint, protocol, signal = which
    chance = random.Random(seed)
    registry = Registry("campaign")
    guards = [
        registry.guard(
            f"bank-{n}",
            breaker=Breaker(failure_ratio=0.9),
            retry=Retry(attempts=2, base_delay=0.00001, budget=None),
            bulkhead=Bulkhead(limit=10),
        )
        for n in range(10)
    ]
    otlp = OtlpSettings(
        endpoint=endpoint,
        protocol=protocol,
        signals=(signal,),
        metrics_interval=0.5,
        shutdown_deadline=DEADLINE,
    )
    without: list[float] = []
    during: list[float] = []
    ends: list[float] = []
    dropped = 0
    for _ in range(TURNS):
        for settings, took in ((None, without), (otlp, during)):
            stream = io.StringIO()
            style: Any = "json" if signal == "logs" else None
            manager = ResilienceManager(registry, "campaign", otlp=settings, logs=style, log_stream=stream)
            manager.start()
            calls(guards[0], manager, 0.2, chance)
            took += calls(guards[0], manager, seconds, chance)
            began = time.perf_counter()
            manager.stop()
            if settings is not None:
                ends.append(time.perf_counter() - began)
                dropped += sum(
                    n for (_, reason), n in manager.dropped.counts().items() if reason != "rate_limited"
                )
    return {
        "calls": len(during),
        "without": percentile(without),
        "during": percentile(during),
        "median": percentile(during, 0.5) - percentile(without, 0.5),
        "end": max(ends),
        "dropped": dropped,
    }


def percentile(values: list[float], share: float = 0.999) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help=f"of each of {TURNS} turns")
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--write", action="store_true", help=f"keep the report in {REPORT.relative_to(ROOT)}")
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(case(arguments.case, arguments.seconds, arguments.seed)))
        return 0
    rows, bad = [], 0
    for outage in OUTAGES:
        for protocol in PROTOCOLS:
            for signal in SIGNALS:
                with collector(outage, protocol) as endpoint:
                    command = [sys.executable, __file__, "--case", endpoint, protocol, signal]
                    options = ["--seconds", str(arguments.seconds), "--seed", str(arguments.seed)]
                    done = subprocess.run(
                        [*command, *options], stdout=subprocess.PIPE, text=True, timeout=600, check=True
                    )
                got = json.loads(done.stdout)
                added = got["during"] - got["without"]
                good = added < ALLOWED_MS and got["end"] < DEADLINE + ALLOWED_OVER
                bad += not good
                rows.append(
                    f"| {outage} | {protocol} | {signal} | {got['calls']:,} | {got['without']:.2f}"
                    f" | {got['during']:.2f} | {added:+.2f} | {got['median']:+.3f} | {got['end']:.2f}"
                    f" | {got['dropped']:,} |"
                )
                print(rows[-1], "" if good else "TOO MUCH", flush=True)
    report = "\n".join(
        [
            "# The collector is gone",
            "",
            f"`python tests/campaigns/telemetry_outage.py --seconds {arguments.seconds:g}"
            f" --seed {arguments.seed} --write`, {datetime.now(UTC):%Y-%m-%d}: {PACE:,} calls a second, one"
            f" in {1 / FAILING:.0f} fails and is tried again; {TURNS} turns with nothing pushed, and {TURNS}"
            " with the outage, by turns; metrics are pushed every 0.5 s. Time without a processor is not"
            " counted. Allowed: 1 ms more at the 99.9th percentile, and a shutdown within its deadline"
            f" ({DEADLINE:g} s) and 0.5 s.",
            "",
            "| outage | protocol | signal | calls | p99.9 without, ms | p99.9 during, ms | added"
            " | added to the median | longest shutdown, s | dropped and counted |",
            "|---|---|---|--:|--:|--:|--:|--:|--:|--:|",
            *rows,
            "",
        ]
    )
    if arguments.write:
        REPORT.write_text(report, encoding="utf-8")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
