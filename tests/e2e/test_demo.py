"""The demo as a person runs it: the command, its exit code, what it leaves behind and what it does not."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reference.demo.ports import HOST, Ports, answers

ROOT = Path(__file__).parents[2]
PROMISES = 15

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def free_base() -> int:
    """The beginning of a row of ports that are free now."""
    for base in range(21_000, 60_000, 100):
        try:
            Ports.from_base(base).check()
        except Exception:
            continue
        return base
    raise RuntimeError("no free ports")


@pytest.fixture
def base() -> int:
    return free_base()


class Demo:
    """A running demo."""

    def __init__(self, folder: Path, *words: str, path: str | None = None) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "deploy")}
        if path is not None:
            environment["PATH"] = path
        self.output = folder / "output.txt"
        with self.output.open("wb") as out:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "reference.demo", "--out", str(folder / "runs"), *words],
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def until(self, says: str, within: float = 60.0) -> None:
        """Wait until the demo has printed something."""
        end = time.monotonic() + within
        while says not in self.text:
            assert self.popen.poll() is None, self.text
            assert time.monotonic() < end, self.text
            time.sleep(0.1)

    def ended(self, within: float) -> int:
        return self.popen.wait(within)


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for demo in started:
        if demo.popen.poll() is None:
            demo.popen.terminate()
            demo.popen.wait(30)


def descendants(pid: int) -> dict[int, str]:
    """Processes that come from this one, and their commands."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
            commands[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {child: commands[child] for child in found - {pid}}


def listening(base: int) -> list[int]:
    ports = Ports.from_base(base)
    return [port for name in Ports.__dataclass_fields__ if answers(port := getattr(ports, name))]


def alive(pids: dict[int, str]) -> dict[int, str]:
    return {pid: command for pid, command in pids.items() if Path(f"/proc/{pid}").exists()}


@pytest.mark.servers
def test_the_scenario_keeps_its_promises(tmp_path: Path, base: int, demos: list[Demo]) -> None:
    demo = Demo(tmp_path, "--port-base", str(base))
    demos.append(demo)
    code = demo.ended(280)
    assert code == 0, demo.text
    assert "BROKEN" not in demo.text
    # On a machine that is busy with other things the latency of requests is not judged; all else is.
    not_checked = demo.text.count("│ not checked")
    assert not_checked <= 1, demo.text
    assert demo.text.count("│ kept ") == PROMISES - not_checked, demo.text
    assert listening(base) == []


def test_ctrl_c_ends_everything_it_started_and_nothing_else(
    tmp_path: Path, base: int, demos: list[Demo]
) -> None:
    with socket.create_server((HOST, 0)) as bystander:
        demo = Demo(tmp_path, "--port-base", str(base))
        demos.append(demo)
        demo.until("== healthy")
        started = descendants(demo.popen.pid)
        assert len(started) >= 9, started
        demo.popen.send_signal(signal.SIGINT)
        assert demo.ended(30) == 130
        assert answers(bystander.getsockname()[1])
    assert alive(started) == {}
    assert listening(base) == []
    assert "Traceback" not in demo.text


def test_a_signal_while_it_starts_leaves_nothing_either(tmp_path: Path, base: int, demos: list[Demo]) -> None:
    demo = Demo(tmp_path, "--port-base", str(base))
    demos.append(demo)
    demo.until("this run keeps")
    while not (started := descendants(demo.popen.pid)):
        time.sleep(0.02)
    demo.popen.send_signal(signal.SIGTERM)
    assert demo.ended(30) == 143
    assert alive(started) == {}
    assert listening(base) == []


def test_taken_ports_are_named_and_nothing_is_started(tmp_path: Path, base: int, demos: list[Demo]) -> None:
    ports = Ports.from_base(base)
    with socket.create_server((HOST, ports.exporter)), socket.create_server((HOST, ports.mail)):
        demo = Demo(tmp_path, "--port-base", str(base))
        demos.append(demo)
        assert demo.ended(30) == 2
    named = rf"{ports.exporter} \(exporter: .*\), {ports.mail} \(mail: .*\)"
    assert re.fullmatch(rf"demo: can't listen on 127\.0\.0\.1: {named}\..*\n", demo.text)
    assert not (tmp_path / "runs").exists()


def test_a_process_that_ends_by_itself_ends_the_demo_and_is_named(
    tmp_path: Path, base: int, demos: list[Demo]
) -> None:
    demo = Demo(tmp_path, "--port-base", str(base))
    demos.append(demo)
    demo.until("== healthy")
    started = descendants(demo.popen.pid)
    (bank,) = [pid for pid, command in started.items() if "reference.dependencies.bank" in command]
    os.kill(bank, signal.SIGKILL)
    assert demo.ended(30) == 1
    assert "demo: bank ended; see " in demo.text
    assert alive(started) == {}


def test_without_the_servers_it_says_so_and_goes_on(tmp_path: Path, base: int, demos: list[Demo]) -> None:
    nothing = tmp_path / "bin"
    nothing.mkdir()
    demo = Demo(tmp_path, "--port-base", str(base), path=str(nothing))
    demos.append(demo)
    demo.until("== healthy")
    assert "cache: fakeredis (stand-in: no redis-server on PATH)" in demo.text
    (line,) = [line for line in demo.text.splitlines() if line.startswith("going on without")]
    assert "prometheus and prometheus-alertmanager" in line
    demo.popen.send_signal(signal.SIGINT)
    assert demo.ended(30) == 130
