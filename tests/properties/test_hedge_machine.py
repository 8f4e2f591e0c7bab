"""Hedged calls against a model: races whose runs answer, fail, hang and are called off in any order."""

from __future__ import annotations

import asyncio
from typing import Any
from warnings import catch_warnings, simplefilter

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, precondition, rule
from tests.properties import breaker_model
from tests.properties.adds_up import Sums
from tests.properties.admission_model import Limits
from tests.properties.hedge_model import HedgeModel
from tests.properties.hedge_parts import ATTEMPT, BACK_OFF, DELAY, FLOOR, RATIO, Asked, CallerModel
from tests.properties.played import CLEAN_UPS, ENDINGS, Ignored, Played, bad, came_of
from tests.properties.stepped_loop import SteppedLoop
from tests.properties.wall_clock import WallClock

from seawall.resilience import Breaker, Guard, Hedge, PolicyWarning, Registry, Retry, RetryBudget, Timeout
from seawall.testing import ManualClock

#: Seconds between two acts: no two calls begin at the same time.
TICK = 2.0**-16
TTL = 1024.0
COUNTED = (
    "calls", "attempts", "retries", "retry_calls", "hedges", "rejections", "timeouts", "coalesced_calls",
)  # fmt: skip

LIMITS = st.builds(
    Limits,
    breaker=st.booleans(),
    burst=st.none() | st.integers(2, 8),
    limit=st.none() | st.integers(1, 5),
    queue=st.integers(0, 2),
)
ASKED = st.builds(
    Asked,
    most=st.integers(1, 3),
    attempts=st.none() | st.integers(2, 3),
    budget=st.booleans(),
    timeout=st.booleans(),
    limits=LIMITS,
)


def guard_of(asked: Asked, clock: ManualClock, **more: Any) -> Guard:
    """The guard whose model is made of the same."""
    breaker = Breaker(
        window_calls=breaker_model.WINDOW,
        minimum_calls=breaker_model.MINIMUM,
        failure_ratio=breaker_model.RATIO,
        open_for=breaker_model.OPEN_FOR,
        half_open_permits=breaker_model.PERMITS,
        ignore=(Ignored,),
        record_result=bad,
    )
    budget = RetryBudget(ratio=RATIO, floor_per_second=FLOOR / TTL, ttl=TTL)
    retry = Retry(
        attempts=asked.attempts or 1,
        base_delay=BACK_OFF,
        backoff="constant",
        jitter="none",
        on_result=bad,
        budget=budget if asked.budget else None,
    )
    with catch_warnings():
        simplefilter("ignore", PolicyWarning)
        return Guard(
            "bank",
            hedge=Hedge(delay=DELAY, most=asked.most, operations=("read",)),
            retry=None if asked.attempts is None else retry,
            timeout=Timeout(attempt=ATTEMPT) if asked.timeout else None,
            operations=("read", "write"),
            registry=Registry("t"),
            clock=clock,
            **asked.limits.policies(breaker),
            **more,
        )


class HedgeMachine(WallClock):
    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.loop = SteppedLoop(self.clock)
        self.dependency = Played()
        self.tasks: list[asyncio.Task[Any]] = []

    @initialize(asked=ASKED)
    def build(self, asked: Asked) -> None:
        self.guard = guard_of(asked, self.clock)
        self.ask = {name: self.guard.operation(name)(self.dependency) for name in self.guard.operations}
        self.model = HedgeModel(asked, self.clock())
        self.sums = Sums(self.guard)

    # -- what happens

    def pass_to(self, moment: float) -> None:
        self.model.pass_to(moment)
        self.loop.run_to(moment)

    def tick(self) -> None:
        self.pass_to(self.clock() + TICK)

    def cancel_one(self, call: CallerModel) -> None:
        self.tasks[call.number].cancel()
        self.model.cancel(call)
        self.loop.settle()

    @rule(operation=st.sampled_from(["read", "read", "write"]), lingers=st.booleans())
    def call(self, operation: str, lingers: bool) -> None:
        self.tick()
        number = len(self.tasks)
        self.tasks.append(self.loop.create_task(self.ask[operation](number, lingers)))
        self.model.call(operation, lingers)
        self.loop.settle()

    @rule(quarters=st.integers(1, 16))
    def wait(self, quarters: int) -> None:
        """Where two calls would act at the same moment one is cancelled: who is first is nowhere said."""
        until = self.clock() + quarters / 4
        while (timers := self.model.timers()) and timers[0][0] <= until:
            (at, _), *others = timers
            if others and others[0][0] == at:
                for caller in self.model.behind(others[0][1]):
                    self.cancel_one(caller)
            else:
                self.pass_to(at)
        self.pass_to(until)

    @precondition(lambda self: self.of_state("running"))
    @rule(data=st.data(), ending=st.sampled_from(ENDINGS))
    def run_ends(self, data: st.DataObject, ending: str) -> None:
        self.end(data.draw(st.sampled_from(self.of_state("running"))), ending)

    @precondition(lambda self: self.of_state("cleaning"))
    @rule(data=st.data(), ending=st.sampled_from(CLEAN_UPS))
    def clean_up_ends(self, data: st.DataObject, ending: str) -> None:
        self.end(data.draw(st.sampled_from(self.of_state("cleaning"))), ending)

    def of_state(self, state: str) -> list[int]:
        return [run.number for run in self.dependency.runs if run.state == state]

    def end(self, number: int, ending: str) -> None:
        self.tick()
        if self.dependency.runs[number].state != "ended":
            self.dependency.runs[number].tell(ending)
            self.model.end(self.model.runs[number], ending)
            self.loop.settle()

    @precondition(lambda self: self.alive())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        call = self.model.callers[data.draw(st.sampled_from(self.alive()))]
        self.tick()
        if call.state != "ended":
            self.cancel_one(call)

    def alive(self) -> list[int]:
        return [number for number, task in enumerate(self.tasks) if not task.done()]

    # -- what always holds

    @invariant()
    def nothing_went_wrong_unseen(self) -> None:
        assert not self.loop.problems

    @precondition(lambda self: hasattr(self, "guard"))
    @invariant()
    def same_runs(self) -> None:
        assert self.dependency.states() == [(self.model.asks(run), run.state) for run in self.model.runs]

    @precondition(lambda self: hasattr(self, "guard"))
    @invariant()
    def same_answers(self) -> None:
        came = [came_of(task) if task.done() else None for task in self.tasks]
        assert came == [call.came for call in self.model.callers]

    @precondition(lambda self: hasattr(self, "guard"))
    @invariant()
    def same_numbers(self) -> None:
        self.sums.hold_midway()
        counted = {k: n[0] for k, n in self.sums.now.items() if k[0] in COUNTED and n[0]}
        assert counted == self.model.counted
        for histogram in ("call_duration", "attempt_duration"):
            for operation in self.guard.operations:
                assert self.sums.now[histogram, operation][-1] == self.model.seconds[histogram, operation]
        admission, budget = self.model.admission, self.guard.budget
        assert self.sums.total("bulkhead_in_flight") == admission.inside * (self.guard.bulkhead is not None)
        assert self.sums.total("bulkhead_queued") == len(admission.queue)
        if self.guard.limiter is not None:
            assert abs(self.sums.total("rate_limiter_available") - admission.level()) < 1e-6
        if self.guard.breaker is not None:
            breaker = self.guard.breaker
            model = admission.breaker
            assert (breaker.state, breaker.epoch, breaker.probes_out) == (model.state, model.epoch, model.out)
        if budget is not None:
            allowed = FLOOR + RATIO * (self.model.total("attempts") - self.model.total("retries"))
            left = max(0.0, 1 - self.model.spent / allowed) if self.model.spent else 1.0
            assert self.sums.total("retry_budget_remaining") == left

    @precondition(lambda self: hasattr(self, "guard"))
    @invariant()
    def nothing_is_left_when_nobody_calls(self) -> None:
        if self.alive():
            return
        assert not asyncio.all_tasks(self.loop)
        self.adds_up_when_nobody_calls()

    def adds_up_when_nobody_calls(self) -> None:
        attempts, retries = self.model.total("attempts"), self.model.total("retries")
        self.sums.hold(calls=len(self.tasks), attempts=attempts, admitted=attempts - retries)

    def teardown(self) -> None:
        super().teardown()
        try:
            while hasattr(self, "guard") and (alive := self.alive()):
                self.tick()
                if not self.tasks[alive[0]].done():
                    self.cancel_one(self.model.callers[alive[0]])
            if hasattr(self, "guard"):
                self.same_answers()
                self.same_numbers()
                self.nothing_is_left_when_nobody_calls()
        finally:
            self.loop.close()


TestHedge = HedgeMachine.TestCase
TestHedge.settings = settings(max_examples=100, stateful_step_count=50)
