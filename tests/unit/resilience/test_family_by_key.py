"""Functions that are guarded by the key of each call."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Any
from weakref import finalize

import pytest
from tests.unit.resilience.families import Boom, World, count

from seawall.resilience import Breaker, BreakerOpen, ConfigurationError, Hedge
from seawall.resilience.guard import Guard
from seawall.resilience.member import Member


def test_a_function_by_the_key_of_each_call() -> None:
    w = World(breaker=Breaker(minimum_calls=1, failure_ratio=0.1))

    @w.family(key=lambda tenant, **_: tenant)
    def pay(tenant: str, *, good: bool = True) -> str:
        """Pay."""
        if not good:
            raise Boom
        return tenant

    assert (pay.__name__, pay.__doc__) == ("pay", "Pay.")
    assert [pay("a"), pay("b"), pay("a")] == ["a", "b", "a"]
    with pytest.raises(Boom):
        pay("a", good=False)
    with pytest.raises(BreakerOpen):
        pay("a")
    assert pay("b") == "b"
    assert count(w.family["a"], "calls", "default", "success") == 2
    lanes = w.family["b"].lanes  # type: ignore[attr-defined]
    assert len(lanes) == 1


def test_a_coroutine_function_by_key() -> None:
    w = World(breaker=Breaker())

    @w.family(key=lambda tenant: tenant)
    async def pay(tenant: str) -> str:
        await asyncio.sleep(0)
        return tenant

    assert asyncio.iscoroutinefunction(pay)
    assert w.clock.run(pay("a")) == "a"
    assert count(w.family["a"], "calls", "default", "success") == 1


def test_a_method_of_each_kind_by_key() -> None:
    w = World()

    class Bank:
        @w.family(key=lambda self, tenant: tenant)
        def own(self, tenant: str) -> str:
            return tenant

        @w.family(key=lambda tenant: tenant)
        @staticmethod
        def static(tenant: str) -> str:
            return tenant

        @w.family(key=lambda cls, tenant: tenant)
        @classmethod
        def of_class(cls, tenant: str) -> str:
            return f"{cls.__name__} {tenant}"

    assert (Bank().own("a"), Bank.static("a"), Bank().static("b")) == ("a", "a", "b")
    assert Bank.of_class("b") == "Bank b"
    assert [count(w.family[key], "calls", "default", "success") for key in "ab"] == [2, 2]


def test_what_a_guard_refuses_is_refused_when_decorated() -> None:
    for what, why in ((_text, "can't hedge"), (str, "can't guard str, a class")):
        with pytest.raises(ConfigurationError, match=f"partner/other: {why}"):
            World(hedge=Hedge(delay=0.1)).family(key=str)(what)


def _text(number: int) -> str:
    return str(number)


def test_what_members_keep_of_a_function_goes_with_it() -> None:
    w = World()

    def ask(key: str) -> None:
        @w.family(key=lambda tenant: tenant)
        def pay(tenant: str) -> str:
            return tenant

        assert [pay(key), pay(key)] == [key, key]
        assert len(w.family[key].lanes) == 1  # type: ignore[attr-defined]

    for key in ("a", "a", "other"):
        ask(key)
        gc.collect()
        assert w.family[key].lanes == {}  # type: ignore[attr-defined]


def test_what_can_not_be_guarded_by_key() -> None:
    with pytest.raises(ConfigurationError) as refused:

        @World().family(key=lambda: "a")
        def items() -> Any:
            yield 1

    assert refused.value.problems[0] == (
        "partner: can't guard a generator by key; allowed: functions, def or async def"
    )


def test_the_arguments_of_a_call_may_be_named() -> None:
    w = World()

    @w.family(key=lambda *, tenant, amount=0: tenant)
    def pay(*, tenant: str, amount: int = 0) -> tuple[str, int]:
        return tenant, amount

    @w.family(key=lambda *, tenant, amount=0: tenant)
    async def apay(*, tenant: str, amount: int = 0) -> tuple[str, int]:
        return tenant, amount

    assert pay(tenant="a", amount=7) == w.clock.run(apay(tenant="a", amount=7)) == ("a", 7)
    assert count(w.family["a"], "calls", "default", "success") == 2


def test_a_function_is_decorated_once_for_each_member(monkeypatch: pytest.MonkeyPatch) -> None:
    w = World()
    decorated: list[str] = []

    def noted(member: Member, function: Callable[..., Any]) -> Any:
        decorated.append(member.name)
        return Guard.__call__(member, function)

    monkeypatch.setattr(Member, "__call__", noted, raising=False)
    ask = w.family(key=str)(_text)
    assert [ask(n) for n in (1, 1, 2, 3, 3, 1)] == ["1", "1", "2", "3", "3", "1"]
    # The third key has no member, and the other had it from the beginning.
    assert decorated == ["partner/other", "partner/1", "partner/2"]


def test_nothing_is_forgotten_at_the_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Members go with the process, and nobody waits for that."""
    kept: list[Any] = []

    def noted(*what: Any) -> Any:
        kept.append(finalize(*what))
        return kept[-1]

    monkeypatch.setattr("seawall.resilience.family.finalize", noted)
    ask = World().family(key=str)(_text)
    assert ask(7) == "7"
    assert [it.atexit for it in kept] == [False]
