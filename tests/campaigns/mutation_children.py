"""Forks of a process that has collected the tests: each runs some, one mutant switched on, until one fails.

Each test has a limit of processor time, which a busy machine doesn't shorten, and a generous one of real
time, for those that hang without using any.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple, NoReturn

import pytest

#: Seconds of a processor and of real time that every test may take, beside multiples of what it took before.
PROCESSOR, REAL = 5.0, 30.0
TIMES_PROCESSOR, TIMES_REAL = 10.0, 20.0
#: How often a child is looked after that may have left its pipe to a process of its own.
LOOK = 0.2
PLACE = struct.Struct("=I")


class End(Enum):
    PASSED = 0
    FAILED = 1
    #: A signal, or an interrupt that came out of a test.
    CRASHED = 2
    TIMED_OUT = 3


class Task(NamedTuple):
    #: Empty: nothing is changed.
    mutant: str
    tests: Sequence[pytest.Item]


class Ended(NamedTuple):
    task: Task
    how: End
    #: The place of the last test.
    place: int
    seconds: float

    @property
    def test(self) -> str:
        return self.task.tests[self.place].nodeid


class Child:
    def __init__(self, task: Task, took: Mapping[str, float], output: Path) -> None:
        self.task, self.took, self.place, self.began = task, took, 0, time.monotonic()
        self.folder = tempfile.mkdtemp(prefix="mutant-")
        self.pipe, put = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if not self.pid:
            os.close(self.pipe)
            _child(self, output, put, parent)
        os.close(put)
        self._next_limit()

    def _next_limit(self) -> None:
        own = self.took.get(self.task.tests[self.place].nodeid, 0.0)
        self.due = time.monotonic() + REAL + TIMES_REAL * own

    def look(self, readable: bool) -> Ended | None:
        """How it ended, if it did."""
        data = os.read(self.pipe, PLACE.size * 1000) if readable else b""
        if data:
            (self.place,) = PLACE.unpack(data[-PLACE.size :])
            self._next_limit()
            return None
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            return self._ended(_how(os.waitstatus_to_exitcode(status)))
        if time.monotonic() > self.due:
            self._kill()
            os.waitpid(self.pid, 0)
            return self._ended(End.TIMED_OUT)
        return None

    def _ended(self, how: End) -> Ended:
        self.close()
        return Ended(self.task, how, self.place, time.monotonic() - self.began)

    def _kill(self) -> None:
        """It and what it has started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        self._kill()
        os.close(self.pipe)
        shutil.rmtree(self.folder, ignore_errors=True)


def ends(
    tasks: Iterable[Task], took: Mapping[str, float], processes: int, output: Path = Path(os.devnull)
) -> Iterator[Ended]:
    """Of each task as it ends; ``tasks`` is asked for the next one when a child is free."""
    waiting, running = iter(tasks), dict[int, Child]()
    try:
        while True:
            while len(running) < processes and (task := next(waiting, None)) is not None:
                child = Child(task, took, output)
                running[child.pipe] = child
            if not running:
                return
            readable, _, _ = select.select([*running], [], [], LOOK)
            for pipe, child in [*running.items()]:
                if ended := child.look(pipe in readable):
                    del running[pipe]
                    yield ended
    finally:
        for child in running.values():
            child.close()


def _how(code: int) -> End:
    if code == -signal.SIGXCPU:
        return End.TIMED_OUT
    return {0: End.PASSED, 1: End.FAILED}.get(code, End.CRASHED)


# In the child


def _begin(mutant: str, folder: str, output: Path) -> None:
    """A group of processes, folders and output of its own; the mutant is switched on."""
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, output, os.O_WRONLY),
        (2, output, os.O_WRONLY),
    ):
        file = os.open(path, flags | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(file, number)
        os.close(file)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = os.environ["TMPDIR"] = tempfile.tempdir = folder
    if mutant:
        _switch_on(mutant)


def _switch_on(mutant: str) -> None:
    from mutmut.mutation import trampoline

    trampoline.set_mutant_under_test(mutant)
    # It is asked at every call: without a look into the environment.
    vars(trampoline)["get_mutant_under_test"] = lambda: mutant


def _child(child: Child, output: Path, pipe: int, parent: int) -> NoReturn:
    how = End.CRASHED
    try:
        _begin(child.task.mutant, child.folder, output)
        how = _run(child.task.tests, child.took, pipe, parent)
        sys.stdout.flush()
    finally:
        os._exit(how.value)


def _run(tests: Sequence[pytest.Item], took: Mapping[str, float], pipe: int, parent: int) -> End:
    for place, test in enumerate(tests):
        if os.getppid() != parent:
            return End.CRASHED
        os.write(pipe, PLACE.pack(place))
        _allow(PROCESSOR + TIMES_PROCESSOR * took.get(test.nodeid, 0.0))
        after = tests[place + 1] if place + 1 < len(tests) else None
        test.config.hook.pytest_runtest_protocol(item=test, nextitem=after)
        if test.session.testsfailed:
            return End.FAILED
    return End.PASSED


def _allow(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime + seconds), hard))
