"""Much at the same moment: callers who come, ask and leave; each ends once, with his own answer."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from seawall.resilience import Bulkhead, Coalesce, Guard, Registry
from seawall.testing import ManualClock

#: Times in eighths of a second: sums are exact, and much happens at the same moment.
TIMES = st.integers(0, 24).map(lambda n: n / 8)


@dataclass(frozen=True, eq=False)
class Caller:
    question: str
    comes: float
    leaves: float | None


@dataclass(frozen=True)
class Run:
    """One execution: how long it takes, its clean-up when it is cancelled, and how it ends."""

    seconds: float
    clean_up: float
    ending: str


CALLERS = st.lists(
    st.builds(Caller, question=st.sampled_from("ab"), comes=TIMES, leaves=st.none() | TIMES),
    min_size=1,
    max_size=8,
)
RUNS = st.lists(
    st.builds(
        Run, seconds=TIMES, clean_up=TIMES, ending=st.sampled_from(["answers", "answers", "fails", "cancels"])
    ),
    min_size=1,
    max_size=4,
)


#: Who asks; an execution sees who asked first.
ASKS: ContextVar[Caller] = ContextVar("asks")


class Dependency:
    """Does as it was drawn, over and over, but cancels itself a few times only: then callers begin anew."""

    def __init__(self, clock: ManualClock, runs: list[Run]) -> None:
        self.clock = clock
        self.runs = runs
        self.begun = 0
        self.cancels = 0
        #: Questions whose execution runs and was not told to end.
        self.wanted: list[str] = []
        self.inside = 0
        #: What the executions came to that have ended, by who began them.
        self.ended: dict[Caller, str] = {}

    async def __call__(self, question: str) -> list[str]:
        run = self.runs[self.begun % len(self.runs)]
        self.begun += 1
        assert question not in self.wanted, "two executions of one question, and both are wanted"
        self.wanted.append(question)
        self.inside += 1
        try:
            await asyncio.sleep(run.seconds)
        except asyncio.CancelledError:
            self.wanted.remove(question)
            await asyncio.sleep(run.clean_up)
            raise
        else:
            self.wanted.remove(question)
        finally:
            self.inside -= 1
        self.ended[ASKS.get()] = "failure" if run.ending == "fails" else "success"
        if run.ending == "fails":
            raise ConnectionError(question)
        if run.ending == "cancels" and self.cancels < 3:
            self.cancels += 1
            self.ended[ASKS.get()] = "cancelled"
            raise asyncio.CancelledError
        return [question]


@given(callers=CALLERS, runs=RUNS)
@settings(max_examples=150)
def test_whoever_comes_and_goes(callers: list[Caller], runs: list[Run]) -> None:
    clock = ManualClock()
    guard = Guard(
        "bank", coalesce=Coalesce(), bulkhead=Bulkhead(limit=50), registry=Registry("t"), clock=clock
    )
    dependency = Dependency(clock, runs)
    ask = guard(dependency)
    ended: list[tuple[Caller, Any]] = []
    #: Of those who left in the moment between the end of what they had begun and hearing of it.
    too_late: list[str] = []

    async def call(caller: Caller) -> None:
        loop = asyncio.get_running_loop()
        ASKS.set(caller)
        await asyncio.sleep(caller.comes)
        task = asyncio.create_task(ask(caller.question))

        def leave() -> None:
            if task.cancel() and caller in dependency.ended:
                too_late.append(dependency.ended[caller])

        if caller.leaves is not None:
            loop.call_later(caller.leaves, leave)
        await asyncio.wait((task,))
        if task.cancelled():
            ended.append((caller, None))
        else:
            ended.append((caller, task.exception() or task.result()))

    async def main() -> None:
        await asyncio.gather(*(call(caller) for caller in callers))
        assert asyncio.all_tasks() == {asyncio.current_task()}

    clock.run(main())
    outcomes = {"success": 0, "failure": 0, "cancelled": 0}
    errors = [came for _, came in ended if isinstance(came, ConnectionError)]
    for caller, came in ended:
        if came is None:
            outcomes["cancelled"] += 1
        elif isinstance(came, ConnectionError):
            outcomes["failure"] += 1
            assert came.args == (caller.question,)
        else:
            outcomes["success"] += 1
            assert came == [caller.question]
    assert len({id(error) for error in errors}) == len(errors)
    # Who was not told to leave is only cancelled where the execution that he began cancelled itself.
    assert sum(came is None and caller.leaves is None for caller, came in ended) <= dependency.cancels
    reading, at = guard.read(), guard.ledger.layout.at
    # What was counted when it ended stays so.
    for outcome in too_late:
        outcomes["cancelled"] -= 1
        outcomes[outcome] += 1
    for outcome, count in outcomes.items():
        assert reading[at("calls", "default", outcome)] == count
    assert sum(outcomes.values()) == len(callers)
    attempts = sum(reading[i] for i in guard.ledger.layout.attempts)
    assert dependency.begun <= attempts <= len(callers)
    answered = outcomes["success"] + outcomes["failure"]
    shared = reading[at("coalesced_calls", "default")]
    assert answered - dependency.begun <= shared < len(callers)
    assert reading[at("bulkhead_in_flight")] == 0
    assert dependency.inside == 0
