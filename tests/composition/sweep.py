"""One scenario, run again and again, its task cancelled at its first suspension, at its second, and so on.

A suspension is whenever the task hands control to the event loop. The cancellation is asked for at once, in
the loop's next turn, or just when what the task waits for has happened (a permit granted, time over).
"""

from __future__ import annotations

import asyncio
import gc
import types
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context
from dataclasses import dataclass
from typing import Any

import pytest

from seawall.resilience import Guard, Pipeline, RateLimit, Registry, Rejected, TimedOut
from seawall.resilience.deadline import current
from seawall.resilience.rate_limit import limiter_of
from seawall.testing import ManualClock

AT_ONCE, SOON, AS_IT_WAKES = "at once", "soon", "as it wakes"
LONG = 10_000.0
Scenario = Callable[["World"], Awaitable[Any]]


class Watch:
    """Follows one call and counts what is begun and ended."""

    def __init__(self, seen: Counter[str]) -> None:
        self.seen = seen

    def attempt_started(self, number: int) -> None:
        self.seen["attempts begun"] += 1

    def attempt_ended(self, outcome: str, error: str, slot: int, seconds: float) -> None:
        self.seen["attempts ended"] += 1

    def wait_started(self, reason: str) -> None:
        self.seen["waits begun"] += 1

    def wait_ended(self) -> None:
        self.seen["waits ended"] += 1

    def call_ended(
        self, outcome: str, attempts: int, state: str, error: str, slot: int, seconds: float
    ) -> None:
        self.seen["calls ended"] += 1


class Observer:
    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def watching(self) -> bool:
        return True

    def call_started(self, guard: Guard, operation: str) -> Watch:
        self.seen["calls begun"] += 1
        return Watch(self.seen)


class World:
    """What a scenario builds and begins, so that it can be asked afterwards whether all of it ended."""

    def __init__(self, watched: bool) -> None:
        self.clock = ManualClock()
        self.registry = Registry("t")
        self.observer = Observer()
        if watched:
            self.registry.observe(self.observer)
        self.begun: Counter[str] = Counter()
        self.asked: dict[str, list[float]] = {}
        self.others: list[asyncio.Task[Any]] = []

    def guard(self, name: str = "bank", **policies: Any) -> Guard:
        self.asked[name] = []
        return Guard(name, registry=self.registry, clock=self.clock, **policies)

    def pipeline(self, *policies: Any) -> Pipeline:
        made = Pipeline("bank", policies, registry=self.registry, clock=self.clock)
        self.asked[made.layers[-1].name] = []
        return made

    async def call(self, guard: Guard | Pipeline, function: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """A call that is counted: here when it begins, and when its function is asked."""

        async def asked(*given: Any) -> Any:
            self.ask(guard)
            return await function(*given)

        self.begun[guard.name] += 1
        return await guard.acall(asked, *args)

    def ask(self, guard: Guard | Pipeline) -> None:
        innermost = guard.layers[-1] if isinstance(guard, Pipeline) else guard
        self.asked[innermost.name].append(self.clock())

    def beside(self, work: Coroutine[Any, Any, Any]) -> None:
        """Begin a task that is not cancelled."""
        self.others.append(asyncio.create_task(work))

    def opened(self, guard: Guard) -> Guard:
        """Let calls fail until the breaker is open, and its time pass."""
        assert guard.breaker is not None

        def fail() -> None:
            self.ask(guard)
            raise ConnectionError

        while guard.state == "closed":
            self.begun[guard.name] += 1
            with pytest.raises(ConnectionError):
                guard.call(fail)
        self.clock.advance(guard.breaker.settings.open_for)
        return guard

    def nothing_left(self) -> None:
        """Called when all tasks are done and much time has passed."""
        for guard in self.registry:
            self._nothing_taken(guard)
            self._all_counted(guard)
        seen = self.observer.seen
        for what in ("calls", "attempts", "waits"):
            assert seen[f"{what} begun"] == seen[f"{what} ended"], seen

    def _nothing_taken(self, guard: Guard) -> None:
        if guard.bulkhead is not None:
            assert len(guard.bulkhead.permits) == guard.bulkhead.settings.limit
            assert list(guard.bulkhead.waiters) == []
        if guard.breaker is not None:
            assert guard.breaker.probes_out == 0
        if guard.limiter is not None and guard.bulkhead is None and not guard.below:
            self._tokens_of_those_asked(guard, guard.limiter.settings)
        for op in guard.declared():
            assert op.expiries._timer is None
            assert not op.expiries._queue

    def _tokens_of_those_asked(self, guard: Guard, settings: RateLimit) -> None:
        """Who was cancelled before the function was asked has given the permit back."""
        limiter = limiter_of(settings)
        for at in self.asked[guard.name]:
            limiter.take(at)
        assert self.tokens[guard.name] == pytest.approx(limiter.available(self.ended_at), abs=1e-6)

    def _all_counted(self, guard: Guard) -> None:
        inner = {below.name for outer in self.registry for below in outer.below}
        if guard.name not in inner:
            assert total(guard, "calls") == self.begun[guard.name]
        asked = total(guard.below[0], "calls") if guard.below else len(self.asked[guard.name])
        assert total(guard, "attempts") == asked

    def end(self) -> None:
        """The task has ended: what the rate limits hold now is compared later."""
        self.ended_at = self.clock()
        self.tokens = {g.name: g.limiter.available(self.ended_at) for g in self.registry if g.limiter}


def total(guard: Guard, field: str) -> float:
    reading = guard.read()
    return sum(reading[e.offset] for e in guard.ledger.layout.entries if e.field.name == field)


@dataclass(frozen=True)
class Ending:
    """What became of one run."""

    suspensions: int
    requests: int
    error: type


def run(scenario: Scenario, watched: bool, how: str, when: set[int]) -> Ending:
    """Run it once, cancelled at these suspensions, and see that nothing is left of it."""
    world = World(watched)
    return world.clock.run(_run(world, scenario, how, when))


async def _run(world: World, scenario: Scenario, how: str, when: set[int]) -> Ending:
    loop = asyncio.get_running_loop()
    context = Context()
    suspensions = requests = 0

    tasks: list[asyncio.Task[None]] = []

    def cancel() -> None:
        nonlocal requests
        requests += tasks[0].cancel()

    @types.coroutine
    def stepwise() -> Generator[Any, Any, None]:
        nonlocal suspensions
        inner = whole(world, scenario)
        thrown: BaseException | None = None
        while True:
            try:
                what = inner.send(None) if thrown is None else inner.throw(thrown)
            except StopIteration:
                return
            suspensions += 1
            if suspensions in when:
                if how == AT_ONCE:
                    cancel()
                elif how == SOON or what is None:
                    loop.call_soon(cancel)
                else:
                    what.add_done_callback(lambda _: cancel())
            thrown = None
            try:
                yield what
            except BaseException as error:
                thrown = error

    async def victim() -> None:
        await stepwise()

    tasks.append(loop.create_task(victim(), context=context))
    await asyncio.wait(tasks)
    world.end()
    error = asyncio.CancelledError if tasks[0].cancelled() else type(tasks[0].exception())
    cancelling = tasks.pop().cancelling()
    assert context.run(current.get) is None
    gc.collect(0)
    answers = await asyncio.gather(*world.others)
    assert set(answers) <= {"answer"}
    await asyncio.sleep(LONG)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []  # type: ignore[attr-defined]
    assert cancelling == requests
    world.nothing_left()
    return Ending(suspensions, requests, error)


async def whole(world: World, scenario: Scenario) -> None:
    """The scenario's own errors are none of the sweep's."""
    try:
        await scenario(world)
    except (ConnectionError, Rejected, TimedOut):
        return


def sweep(scenario: Scenario, watched: bool, how: str, again_after: int | None = None) -> int:
    """Cancel at the first suspension, the second, ... until it ends before; how many there were.

    ``again_after``: cancel a second time, so many suspensions later: during the clean-up.
    """
    for n in range(1, 200):
        when = {n} if again_after is None else {n, n + again_after}
        came = run(scenario, watched, how, when)
        if came.suspensions < n:
            assert came.requests == 0
            assert came.error is type(None)
            return n - 1
        if came.requests:
            assert came.error is asyncio.CancelledError, n
    raise AssertionError("it never ends")
