"""Guarded generators against a model: many at once, consumed, thrown into, closed and forgotten anywhere."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import suppress
from contextvars import Context, copy_context

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from tests.properties.adds_up import Sums

from seawall.resilience import Breaker, Bulkhead, BulkheadFull, Guard, Registry, Timeout, remaining
from seawall.testing import ManualClock

LIMIT, LENGTH, ATTEMPT = 3, 4, 5.0


class Source:
    """A generator and what the model knows of it."""

    def __init__(self, rows: Generator[int]) -> None:
        self.rows: Generator[int] | None = rows
        self.begun = self.ended = False
        self.items = 0


class GeneratorMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.guard = Guard(
            "bank",
            breaker=Breaker(window_calls=1000, minimum_calls=1000),
            bulkhead=Bulkhead(limit=LIMIT),
            timeout=Timeout(attempt=ATTEMPT),
            registry=Registry("t"),
            clock=self.clock,
        )
        self.begun = self.rejected = 0
        self.outcomes = dict.fromkeys(("success", "failure", "cancelled"), 0)
        self.elsewhere: list[Context] = [copy_context(), copy_context()]
        self.guarded = self.guard(self._rows)
        self.sums = Sums(self.guard)

    sources = Bundle("sources")

    def _rows(self) -> Generator[int]:
        for number in range(LENGTH):
            assert remaining() is not None
            with suppress(KeyError):
                yield number

    @rule(target=sources)
    def call(self) -> Source:
        return Source(self.guarded())

    @rule(source=sources, where=st.integers(0, 1), seconds=st.floats(0, 100))
    def go_on(self, source: Source, where: int, seconds: float) -> None:
        if source.rows is None:
            return
        full = not source.begun and not source.ended and self._running() == LIMIT
        try:
            item = self.elsewhere[where].run(next, source.rows)
        except StopIteration:
            if not source.ended:
                assert source.items == LENGTH
                self._end(source, "success")
        except BulkheadFull:
            assert full
            self.rejected += 1
            source.ended = True
        else:
            assert not full
            assert item == source.items
            self.begun += not source.begun
            source.begun = True
            source.items += 1
        self.clock.advance(seconds)

    @rule(source=sources, error=st.sampled_from([KeyError, ConnectionError, GeneratorExit]))
    def throw(self, source: Source, error: type[BaseException]) -> None:
        if source.rows is None:
            return
        running = source.begun and not source.ended
        try:
            source.rows.throw(error())
        except StopIteration:
            assert (running, error, source.items) == (True, KeyError, LENGTH)
            self._end(source, "success")
        except error:
            if running:
                assert error is not KeyError
                self._end(source, "failure" if error is ConnectionError else "cancelled")
            source.ended = True
        else:
            assert (running, error) == (True, KeyError)
            source.items += 1

    @rule(source=sources, where=st.integers(0, 1))
    def close(self, source: Source, where: int) -> None:
        if source.rows is not None:
            self.elsewhere[where].run(source.rows.close)
            self._break_off(source)

    @rule(source=consumes(sources))
    def forget(self, source: Source) -> None:
        source.rows = None
        gc.collect(0)
        self._break_off(source)

    def _break_off(self, source: Source) -> None:
        if source.begun and not source.ended:
            self._end(source, "cancelled")
        source.ended = True

    def _end(self, source: Source, outcome: str) -> None:
        self.outcomes[outcome] += 1
        source.ended = True

    def _running(self) -> int:
        return self.begun - sum(self.outcomes.values())

    @invariant()
    def numbers_agree(self) -> None:
        reading, at = self.guard.read(), self.guard.ledger.layout.at
        assert reading[at("bulkhead_in_flight")] == self._running() <= LIMIT
        for outcome, count in self.outcomes.items():
            assert reading[at("attempts", "default", outcome)] == count
            assert reading[at("calls", "default", outcome)] == count
        assert reading[at("calls", "default", "rejected")] == self.rejected

    @invariant()
    def numbers_add_up(self) -> None:
        ended = sum(self.outcomes.values())
        self.sums.hold(calls=ended + self.rejected, attempts=ended, admitted=ended)

    @invariant()
    def consumers_see_no_deadline(self) -> None:
        assert remaining() is None
        assert [context.run(remaining) for context in self.elsewhere] == [None, None]


TestGeneratorMachine = GeneratorMachine.TestCase
TestGeneratorMachine.settings = settings(max_examples=60, stateful_step_count=40)
