"""Starting and ending the demo's processes: all of those it started, and no other.

Each process leads a session of its own, so that it can be ended with whatever it started, and so that
Ctrl-C at the terminal reaches only the demo, which then ends the others in order. A process that has ended
is left unreaped until its group has been dealt with: until then nobody else can bear its number.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reference.demo.ports import answers

GRACE_SECONDS = 5.0


class StartFailed(Exception):
    """A process ended, or did not listen in time; the text says which one and what it said last."""


@dataclass(frozen=True, slots=True)
class Started:
    """A process that the demo started, and the file with what it prints."""

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    def has_ended(self) -> bool:
        """Whether it ended; it stays unreaped."""
        return os.waitid(os.P_PID, self.popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def last_words(self, lines: int = 5) -> str:
        """The end of its log."""
        text = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return "\n".join(text[-lines:])


class Processes:
    """What the demo started, in the order it did; ended in the opposite order."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started: list[Started] = []
        logs.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Started:
        """Start one. What it prints goes to `<logs>/<name>.log`. Raises StartFailed when it can't be run."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as out:
            try:
                popen = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    cwd=folder,
                    env={**os.environ, "PYTHONPATH": _path(), **(environment or {})},
                )
            except OSError as problem:
                raise StartFailed(f"{name} could not be started: {problem}") from problem
        started = Started(name, popen, log)
        self._started.append(started)
        return started

    async def listening(self, started: Started, *ports: int, within: float = 20.0) -> None:
        """Wait until the process listens on these ports. Raises StartFailed when it ends or is too slow."""
        until = time.monotonic() + within
        while not all(answers(port) for port in ports):
            self.check()
            if time.monotonic() > until:
                waited = f"{started.name} does not listen on {ports} after {within:g} s"
                raise StartFailed(f"{waited}; see {started.log}\n{started.last_words()}")
            await asyncio.sleep(0.05)
        self.check()

    def check(self) -> None:
        """Raise StartFailed when one of them has ended by itself."""
        for started in self._started:
            if started.has_ended():
                raise StartFailed(f"{started.name} ended; see {started.log}\n{started.last_words()}")

    def end(self, started: Started, *, grace: float = GRACE_SECONDS) -> None:
        """End one process and what it started: asked first, killed after `grace` seconds."""
        until = time.monotonic() + grace
        _signal_group(started, signal.SIGTERM)
        while not started.has_ended() and time.monotonic() < until:
            time.sleep(0.02)
        _signal_group(started, signal.SIGKILL)
        started.popen.wait()
        if started in self._started:
            self._started.remove(started)

    def end_all(self) -> None:
        """End everything, the latest first. Ctrl-C while this runs kills at once instead of asking."""
        grace = GRACE_SECONDS
        while self._started:
            try:
                self.end(self._started[-1], grace=grace)
            except KeyboardInterrupt:
                grace = 0.0

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run, by name."""
        return {started.name: started.popen.pid for started in self._started}


def _path() -> str:
    """PYTHONPATH by which a process finds this package in whatever folder it runs."""
    before = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([str(Path(__file__).resolve().parents[2]), *([before] if before else [])])


def _signal_group(started: Started, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(started.popen.pid, number)


def python(module: str, *arguments: object) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", module, *(str(argument) for argument in arguments)]
