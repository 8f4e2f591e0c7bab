"""The records that guards inside inherit a deadline by, one by one."""

from __future__ import annotations

from contextvars import copy_context
from math import inf

import pytest

from seawall.resilience import deadline, remaining
from seawall.resilience.deadline import Deadline, alive, current, rest_of, within
from seawall.testing import ManualClock


def test_a_deadline_that_is_over_binds_nobody_and_the_one_around_it_does() -> None:
    clock, slow = ManualClock(), ManualClock(50.0)
    outer: Deadline = [1010.0, clock, None]
    inner: Deadline = [53.0, slow, outer]
    assert (alive(None), alive(outer), alive(inner)) == (None, outer, inner)
    assert (rest_of(None), rest_of(outer), rest_of(inner)) == (inf, 10.0, 3.0)
    clock.advance(9.0)
    assert rest_of(inner) == 1.0
    inner[0] = inf
    assert (alive(inner), rest_of(inner)) == (outer, 1.0)
    outer[0] = inf
    assert (alive(inner), rest_of(inner)) == (None, inf)


def test_what_remains_is_never_below_0() -> None:
    clock = ManualClock()

    def left(at: float) -> float | None:
        current.set([at, clock, None])
        return remaining()

    assert [copy_context().run(left, at) for at in (1002.5, 1000.25, 1000.0, 990.0, inf)] == [
        2.5, 0.25, 0.0, 0.0, None,
    ]  # fmt: skip
    assert remaining() is None


def test_a_function_without_a_limit_stays_what_it_is() -> None:
    assert within(None, ManualClock(), repr) is repr


def test_a_function_with_a_limit_has_a_deadline_while_it_runs() -> None:
    clock = ManualClock()
    seen: list[Deadline] = []

    def inside(*args: int, fail: bool = False) -> float | None:
        found = current.get()
        assert found is not None
        seen.append(list(found))
        clock.advance(1.0)
        if fail:
            raise OSError
        return remaining()

    def both() -> None:
        assert within(5.0, clock, inside)(1, 2) == 4.0
        around = current.get()
        with pytest.raises(OSError):  # noqa: PT011
            within(5.0, clock, inside)(1, fail=True)
        assert current.get() is around

    copy_context().run(both)
    assert seen == [[1005.0, clock, None], [1006.0, clock, None]]
    seen.clear()
    outer: Deadline = [1004.0, clock, None]

    def nested() -> None:
        current.set([inf, clock, outer])
        assert within(5.0, clock, inside)() == 1.0

    copy_context().run(nested)
    assert seen == [[1007.0, clock, outer]]


def test_whoever_keeps_the_context_of_a_call_that_is_over_is_bound_by_nothing() -> None:
    kept = within(5.0, ManualClock(), copy_context)()
    assert kept[current][0] == inf
    assert kept.run(remaining) is None


def test_an_interrupt_before_it_was_set_resets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        def get(self) -> None:
            return None

        def set(self, found: Deadline) -> None:
            raise KeyboardInterrupt

        def reset(self, token: object) -> None:
            pytest.fail("there is nothing to go back to")

    monkeypatch.setattr(deadline, "current", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        within(5.0, ManualClock(), repr)(1)
