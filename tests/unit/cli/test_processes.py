"""`seawall serve` and `seawall receive` as processes: they say where they are, work, and end when told."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the address that it says it listens on."""
    command = [sys.executable, "-m", "seawall.cli", *arguments, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found, line + (process.stderr.read() if process.stderr else "")
            yield process, found[0]
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve(here: Path, number: signal.Signals) -> None:
    with running("serve", "--from", "shop:registry") as (process, address):
        assert 'dependency="bank"' in httpx.get(f"{address}/metrics").text
        assert httpx.get(f"{address}/api/policies").json()["service"] == "shop"
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_receive(here: Path, number: signal.Signals) -> None:
    alert = {"status": "firing", "labels": {"alertname": "A"}, "annotations": {"summary": "S."}}
    with running("receive", "--file", "kept.jsonl") as (process, address):
        assert httpx.post(f"{address}/notifications", json={"alerts": [alert]}).status_code == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "FIRING  A  S.\n", "")
    assert (here / "kept.jsonl").read_text(encoding="utf-8").count("\n") == 1
