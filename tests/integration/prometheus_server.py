"""A Prometheus that runs beside a test, and its API."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

PATIENCE = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(answer: Callable[[], Any]) -> Any:
    """The first answer that is something, asked for again until there is one."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        try:
            if found := answer():
                return found
        except (httpx.TransportError, OSError):
            pass
        Event().wait(0.05)
    raise AssertionError("no answer in time")


class Prometheus:
    """A server that runs, and its API."""

    def __init__(self, port: int, log: Path) -> None:
        self.log = log
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}")

    def api(self, path: str, **parameters: Any) -> Any:
        answer = self._http.get(f"/api/v1/{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def ready(self) -> bool:
        return self._http.get("/-/ready").status_code == 200

    def query(self, expression: str) -> dict[tuple[tuple[str, str], ...], float]:
        found = self.api("query", query=expression)["result"]
        return {tuple(sorted(r["metric"].items())): float(r["value"][1]) for r in found}

    def value(self, name: str, **labels: str) -> float:
        series = self.query(name)
        (found,) = [value for key, value in series.items() if labels.items() <= dict(key).items()]
        return found


@contextmanager
def running(folder: Path, configuration: str) -> Iterator[Prometheus]:
    """A server with this configuration, whose relative paths are relative to the folder."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not on PATH: make servers")
    config, log, port = folder / "prometheus.yml", folder / "log", free_port()
    config.write_text(configuration, encoding="utf-8")
    with log.open("w") as out:
        process = subprocess.Popen(
            [
                binary,
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--enable-feature=exemplar-storage",
                "--log.level=warn",
            ],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
        try:
            server = Prometheus(port, log)
            until(server.ready)
            yield server
        finally:
            process.terminate()
            process.wait(PATIENCE)
