"""A service whose breakers open when they are told to: run as a program of its own.

A line of standard input names a guard; calls of it then fail until its breaker opens. Prints the exporter's
port, and for each opening the guard's name and the time at which its listener heard of it, as JSON lines.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from typing import Any

from seawall.exporter import ExporterServer, ExporterSettings, create_app
from seawall.resilience import Breaker, Fallback, Registry, Retry, Timeout
from seawall.resilience.events import Transition
from seawall.telemetry.service import Service

SERVICE = "bench"


def registry(guards: int) -> Registry:
    """Critical dependencies, each of which is told on its own; their breakers stay open."""
    made = Registry(service=SERVICE)
    for number in range(guards):
        made.guard(
            f"dependency-{number:02}",
            criticality="critical",
            breaker=Breaker(open_for=600.0),
            retry=Retry(attempts=2, base_delay=0.001),
            timeout=Timeout(attempt=2.0, total=5.0),
            fallback=Fallback(default=None),
        )
    return made


def serve(guards: int) -> None:
    own = registry(guards)
    own.subscribe(lambda event: _say(dependency=event.dependency, at=time.time()), events=(Transition,))
    server = ExporterServer(create_app(own, service=Service(name=SERVICE)), ExporterSettings(port=0))
    server.start()
    _say(port=server.port)
    for line in sys.stdin:
        guard = own.get(line.strip())
        assert guard is not None, line
        while guard.state == "closed":
            with suppress(ConnectionError):
                guard.call(_broken)
    server.stop()


def _broken() -> None:
    raise ConnectionError


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
