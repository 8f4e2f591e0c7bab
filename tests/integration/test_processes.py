"""Real worker processes: under uvicorn and gunicorn, killed or ended in peace."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from tests.unit.telemetry.workers import calls, fallen, parsed, value

ASGI = """
import os
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.multiprocess import MultiProcessCollector
from seawall.resilience import Breaker, Registry
from seawall.startup import install

registry = Registry("shop")
guard = registry.guard("bank", breaker=Breaker())
served = Counter("shop_requests", "Requests.")
metrics = CollectorRegistry()
MultiProcessCollector(metrics)

async def shop(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": message["type"] + ".complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    guard.call(int)
    served.inc()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})

app = install(shop, registry, metrics=metrics, logs=None)
"""
WSGI = """
import os
from seawall.resilience import Breaker, Registry
from seawall.startup import ResilienceManager

registry = Registry("shop")
guard = registry.guard("bank", breaker=Breaker())
ResilienceManager(registry, "shop", logs=None).start()

def app(environ, start_response):
    guard.call(int)
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("Connection", "close")])
    return [body]
"""


#: Seconds for workers to start, on a busy machine too.
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@contextlib.contextmanager
def served(tmp_path: Path, text: str, *command: str) -> Iterator[str]:
    """The address of a server of its own process group, which ends with the test."""
    (tmp_path / "shop.py").write_text(text)
    (tmp_path / "others").mkdir()
    port = free_port()
    environment = os.environ | {
        "SEAWALL_PROCESSES_DIR": str(tmp_path / "processes"),
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "others"),
    }
    line = [part.format(port=port) for part in command]
    process = subprocess.Popen(
        [sys.executable, "-m", *line], cwd=tmp_path, env=environment, start_new_session=True
    )
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(address).status_code == 200
        return False

    try:
        until(answers, "the server never answered")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def ask(address: str, until_by: int = 2) -> tuple[int, set[int]]:
    """(requests that were answered, by which processes), until so many different ones have."""
    pids: set[int] = set()
    number, end = 0, time.monotonic() + PATIENCE
    while len(pids) < until_by or number < 30:
        assert time.monotonic() < end, f"{number} requests were answered by {pids}"
        with contextlib.suppress(httpx.HTTPError):
            pids.add(int(httpx.get(address).text))
            number += 1
    return number, pids


def test_workers_of_uvicorn_are_one_page_beside_prometheus_clients_own_multiprocess_mode(
    tmp_path: Path,
) -> None:
    command = ("uvicorn", "shop:app", "--workers", "2", "--port", "{port}", "--log-level", "warning")
    with served(tmp_path, ASGI, *command) as address:
        number, pids = ask(address)
        number += 1

        def pages() -> list[tuple[float, float]]:
            found = [parsed(httpx.get(f"{address}/metrics").text) for _ in range(8)]
            return [(calls(totals), value(totals, "shop_requests_total")) for totals in found]

        assert pages() == [(number, number)] * 8
        os.kill(pids.pop(), signal.SIGKILL)
        more, _ = ask(address)
        number += more
        assert {ours for ours, _ in pages()} == {number}
        text = httpx.get(f"{address}/metrics", headers={"Accept": "application/openmetrics-text"}).text
        assert text.endswith("# EOF\n")
        assert len(set(re.findall(r"service_instance_id=\"(\w+)\"", text))) == 1


def test_workers_of_gunicorn_that_share_a_loaded_application_are_summed_by_seawall_serve(
    tmp_path: Path,
) -> None:
    command = ("gunicorn", "shop:app", "--preload", "--workers", "3", "--bind", "127.0.0.1:{port}")
    with served(tmp_path, WSGI, *command) as address:
        number, pids = ask(address, 3)
        number += 1
        serve = [
            sys.executable,
            "-m",
            "seawall.cli",
            "serve",
            "--port",
            "0",
            "--processes",
            str(tmp_path / "processes"),
        ]
        with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as exporter:
            try:
                assert exporter.stdout is not None
                page = exporter.stdout.readline().split()[-1]
                before = parsed(httpx.get(page).text)
                assert calls(before) == number
                assert value(before, "seawall_breaker_processes", dependency="bank", state="closed") == 4
                for pid, how in zip(
                    sorted(pids), (signal.SIGKILL, signal.SIGTERM, signal.SIGQUIT), strict=True
                ):
                    os.kill(pid, how)
                    more, _ = ask(address, 1)
                    number += more
                    after = parsed(httpx.get(page).text)
                    assert fallen(before, after) == {}
                    assert calls(after) == number
                    before = after
            finally:
                exporter.kill()


def test_the_command_says_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    serve = [sys.executable, "-m", "seawall.cli", "serve", "--port", "0"]
    environment = {k: v for k, v in os.environ.items() if k != "SEAWALL_PROCESSES_DIR"}
    for arguments, message in (
        (["--processes", str(tmp_path / "file")], "can't use folder"),
        ([], "nothing to serve; allowed: --from MODULE:REGISTRY, --processes DIR, or both"),
    ):
        done = subprocess.run(
            [*serve, *arguments], capture_output=True, text=True, timeout=60, check=False, env=environment
        )
        assert done.returncode == 2
        assert done.stdout == ""
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
