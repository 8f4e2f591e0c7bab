"""Callers who come, ask and leave in any order, against a model: each ends once, with his own answer."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, precondition, rule
from tests.properties.adds_up import Sums
from tests.properties.coalesce_model import CoalesceModel
from tests.properties.hedge_parts import Asked
from tests.properties.test_hedge_machine import ASKED, HedgeMachine, guard_of

from seawall.resilience import Coalesce


def question_of(call: int, lingers: bool, question: str | None) -> str | None:
    return question


class CoalesceMachine(HedgeMachine):
    """Executions race, retry, hang and are refused as those of hedged calls do, and several wait for each."""

    model: CoalesceModel

    @initialize(asked=ASKED)
    def build(self, asked: Asked) -> None:
        self.guard = guard_of(asked, self.clock, coalesce=Coalesce(key=question_of))
        self.ask = {name: self.guard.operation(name)(self.dependency) for name in self.guard.operations}
        self.model = CoalesceModel(asked, self.clock())
        self.sums = Sums(self.guard)

    @rule(
        operation=st.sampled_from(["read", "read", "write"]),
        lingers=st.booleans(),
        question=st.sampled_from(["a", "a", "b", None]),
    )
    def call(self, operation: str, lingers: bool, question: str | None) -> None:
        self.tick()
        number = len(self.tasks)
        self.tasks.append(self.loop.create_task(self.ask[operation](number, lingers, question)))
        self.model.ask(operation, lingers, question)
        self.loop.settle()

    @invariant()
    def whoever_fails_has_an_exception_of_his_own(self) -> None:
        """And whoever shares an answer has the same one."""
        ended = [task for task in self.tasks if task.done() and not task.cancelled()]
        errors = [error for task in ended if (error := task.exception()) is not None]
        assert len({id(error) for error in errors}) == len(errors)
        answers: list[Any] = [task.result() for task in ended if task.exception() is None]
        assert len({id(answer) for answer in answers}) == len(set(answers))

    @precondition(lambda self: hasattr(self, "guard"))
    @invariant()
    def nothing_flies_that_nobody_waits_for(self) -> None:
        assert self.guard.flights is not None
        assert len(self.guard.flights._flying) == len(self.model.flying)

    def adds_up_when_nobody_calls(self) -> None:
        """All that :class:`Sums` knows but that each rejected call is a rejection: they are shared."""
        self.sums.hold_midway()


TestCoalesce = CoalesceMachine.TestCase
TestCoalesce.settings = settings(max_examples=100, stateful_step_count=50)
