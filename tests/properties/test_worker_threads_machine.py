"""Worker threads against a model: every place is taken or free, and every abandoned thread is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.properties.adds_up import Sums

from seawall.resilience import Breaker, Bulkhead, Guard, Registry, ThreadsBusy, TimedOut, Timeout

LONG, MOMENT = 30.0, 0.001


class WorkerThreadsMachine(RuleBasedStateMachine):
    """Calls one after the other: some answer, some fail, some hang until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.hanging: list[threading.Event] = []
        self.calls = self.timeouts = self.busy = 0
        self.idents: set[int] = set()

    @initialize(threads=st.integers(1, 4))
    def build(self, threads: int) -> None:
        self.threads = threads
        self.guard = Guard(
            "bank",
            timeout=Timeout(attempt=1, threads=threads, attempt_for=lambda patience, *_: patience),
            breaker=Breaker(minimum_calls=1000, window_calls=1000),
            bulkhead=Bulkhead(limit=1),
            registry=Registry("t"),
        )
        self.sums = Sums(self.guard)

    @property
    def free(self) -> bool:
        return len(self.hanging) < self.threads

    def work(self, patience: float, body: Callable[[], Any]) -> Any:
        self.idents.add(threading.get_ident())
        return body()

    def ask(self, patience: float, body: Callable[[], Any]) -> object:
        self.calls += 1
        try:
            return self.guard.call(self.work, patience, body)
        except (TimedOut, ThreadsBusy, ConnectionError) as error:
            self.timeouts += isinstance(error, TimedOut)
            self.busy += isinstance(error, ThreadsBusy)
            return type(error)

    @rule()
    def answer(self) -> None:
        assert self.ask(LONG, lambda: "answer") == ("answer" if self.free else ThreadsBusy)

    @rule()
    def fail(self) -> None:
        def body() -> None:
            raise ConnectionError

        assert self.ask(LONG, body) is (ConnectionError if self.free else ThreadsBusy)

    @rule()
    def hang(self) -> None:
        gate = threading.Event()
        free = self.free
        assert self.ask(MOMENT, gate.wait) is (TimedOut if free else ThreadsBusy)
        if free:
            self.hanging.append(gate)

    @precondition(lambda self: self.hanging)
    @rule(which=st.randoms(use_true_random=False))
    def let_go(self, which: Any) -> None:
        workers = self.guard.workers
        assert workers is not None
        free = len(workers.places)
        self.hanging.pop(which.randrange(len(self.hanging))).set()
        until = time.monotonic() + 10
        while len(workers.places) == free:
            assert time.monotonic() < until
            time.sleep(0)

    def read(self, field: str, *labels: str) -> float:
        return self.guard.read()[self.guard.ledger.layout.at(field, *labels)]

    @precondition(lambda self: hasattr(self, "guard"))
    @invariant()
    def numbers_add_up(self) -> None:
        workers = self.guard.workers
        assert workers is not None
        assert len(workers.places) + len(self.hanging) == self.threads
        assert self.read("timeout_abandoned") == len(self.hanging)
        assert self.read("timeouts", "default", "attempt") == self.timeouts
        assert self.read("rejections", "timeout", "threads_busy") == self.busy
        assert self.read("bulkhead_in_flight") == 0
        asked = self.calls - self.busy
        self.sums.hold(calls=self.calls, attempts=asked, admitted=asked)
        assert len(self.idents) <= self.threads

    def teardown(self) -> None:
        for gate in self.hanging:
            gate.set()


TestWorkerThreads = WorkerThreadsMachine.TestCase
TestWorkerThreads.settings = settings(max_examples=60, stateful_step_count=30)
