"""What the helpers may be given: guards, pipelines and operations of them. All else is a TypeError."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Fallback,
    Guard,
    Pipeline,
    RateLimit,
    Registry,
    Retry,
    Timeout,
)
from seawall.testing import ManualClock, assert_transitions, calls, fail_next, force_open, instant_retries

SMALL = Breaker(window_calls=2, minimum_calls=2, open_for=30)
#: The retry around the breaker: two layers.
AROUND = (SMALL, CALM)

pytestmark = pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")


class Piped:
    """A pipeline on a manual clock, and a function guarded by it."""

    def __init__(self, how: str, *policies: Any) -> None:
        self.clock = clock = ManualClock()
        self.registry = Registry("t")
        self.of = Pipeline(
            "bank",
            policies or AROUND,
            operations=("default", "pay"),
            registry=self.registry,
            clock=clock,
            sleep=clock.sleep,
            asleep=clock.asleep,
        )
        self.how = how
        self.asked = 0

    def __call__(self, operation: str = "default") -> Any:
        """What a call comes to; exceptions are returned."""

        def ask() -> str:
            self.asked += 1
            return "answer"

        async def aask() -> str:
            return ask()

        of = self.of.operation(operation)
        try:
            return of(ask)() if self.how == "sync" else self.clock.run(of(aask)())
        except Exception as error:
            return error


@pytest.fixture(params=["sync", "async"])
def piped(request: pytest.FixtureRequest) -> Callable[..., Piped]:
    return lambda *policies: Piped(request.param, *policies)


# -- pipelines


def test_attempts_of_the_last_layer_fail(piped: Callable[..., Piped]) -> None:
    p = piped()
    assert len(p.of.layers) == 2
    with fail_next(p.of, 2) as faults:
        assert p() == "answer"
    assert (faults.left, faults.failed, p.asked, p.clock()) == (0, 2, 1, 1003.0)
    assert not any(guard.faults for guard in p.of.layers)


def test_attempts_of_one_operation_fail(piped: Callable[..., Piped]) -> None:
    p = piped()
    with fail_next(p.of.operation("pay")) as faults:
        assert p() == "answer"
        assert faults.left == 1
        assert p("pay") == "answer"
    assert (faults.left, p.asked, p.clock()) == (0, 2, 1001.0)


def test_what_callers_felt_is_counted(piped: Callable[..., Piped]) -> None:
    p = piped(SMALL, Fallback(default="none"))
    with fail_next(p.of, error=KeyError):
        assert p() == "none"
    assert p("pay") == "answer"
    assert calls(p.of) == {"success": 2}
    assert calls(p.of.operation("pay")) == {"success": 1}
    assert calls(p.of.layers[1]) == {"degraded": 1, "success": 1}
    assert calls(p.of.layers[1].operation("default")) == {"degraded": 1}


@pytest.mark.parametrize("policies", [(SMALL, CALM), (CALM, Timeout(total=60), SMALL)], ids=["first", "last"])
def test_the_one_breaker_is_opened(piped: Callable[..., Piped], policies: tuple[Any, ...]) -> None:
    p = piped(*policies)
    with force_open(p.of):
        assert p.of.state == "forced_open"
        assert isinstance(p(), BreakerOpen)
    assert (p(), p.of.state, p.asked) == ("answer", "closed", 1)


def test_the_transitions_of_the_one_breaker_are_asserted(piped: Callable[..., Piped]) -> None:
    p = piped(SMALL, Retry(attempts=1, budget=None))
    with assert_transitions(p.of, "closed", "open", "half_open"), fail_next(p.of, 2):
        assert [type(p()) for _ in range(3)] == [ConnectionError, ConnectionError, BreakerOpen]
        p.clock.advance(30)
    said = "bank: expected closed all the time"
    with pytest.raises(AssertionError, match=said), assert_transitions(p.of, "closed"):
        pass


@pytest.mark.parametrize("tool", [force_open, lambda of: assert_transitions(of, "closed")])
def test_of_none_or_several_breakers_none_is_meant(
    tool: Callable[[Any], AbstractContextManager[Any]],
) -> None:
    with pytest.raises(ValueError, match=r"^bank has no breaker; allowed: a guard with one$"):
        tool(Piped("sync", CALM).of).__enter__()
    two = Piped("sync", SMALL, CALM, SMALL)
    said = "bank has 2 breakers, of bank, bank/2; allowed: one of these layers"
    with pytest.raises(ValueError, match=f"^{said}$"):
        tool(two.of).__enter__()
    with tool(two.of.layers[0]):
        pass
    assert two.of.state == "closed"


def test_no_layer_waits(piped: Callable[..., Piped]) -> None:
    p = piped(CALM, Timeout(total=600), RateLimit(rate=0.1, burst=1, max_wait=60), SMALL, CALM)
    assert len(p.of.layers) > 1
    before = [(guard.sleep, guard.asleep) for guard in p.of.layers]
    with instant_retries(p.of), fail_next(p.of, 2):
        assert p() == "answer"
    assert p.clock() == 1000.0
    assert [(guard.sleep, guard.asleep) for guard in p.of.layers] == before


# -- what is none of them

HELPERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "fail_next": (lambda of: fail_next(of).__enter__(), "a Guard, a Pipeline, an operation of one"),
    "calls": (calls, "a Guard, a Pipeline, an operation of one"),
    "force_open": (lambda of: force_open(of).__enter__(), "a Guard, a Pipeline"),
    "assert_transitions": (lambda of: assert_transitions(of, "closed").__enter__(), "a Guard, a Pipeline"),
    "instant_retries": (lambda of: instant_retries(of).__enter__(), "a Guard, a Pipeline, a Registry"),
}


@pytest.mark.parametrize("helper", HELPERS)
def test_what_is_no_guard_is_refused_by_name(helper: str) -> None:
    tool, allowed = HELPERS[helper]
    registry = Registry("t")
    guarded = Guard("bank", registry=registry)(len)
    for other in (None, "bank", guarded, Guard, registry.family("partner")):
        with pytest.raises(TypeError) as caught:
            tool(other)
        assert str(caught.value) == f"of is {other!r}; allowed: {allowed}"


@pytest.mark.parametrize("helper", ["force_open", "assert_transitions", "instant_retries"])
def test_what_is_of_a_whole_guard_is_not_of_one_operation(helper: str) -> None:
    operation = Guard("bank", breaker=Breaker(), registry=Registry("t")).operation("default")
    with pytest.raises(TypeError, match=re.escape(HELPERS[helper][1]) + "$"):
        HELPERS[helper][0](operation)


def test_a_member_of_a_family_is_a_guard() -> None:
    member = Registry("t").family("partner", breaker=Breaker())["alice"]
    with force_open(member), pytest.raises(BreakerOpen):
        member.call(int)
    with fail_next(member), pytest.raises(ConnectionError):
        asyncio.run(member.acall(asyncio.sleep, 0))
    assert calls(member) == {"rejected": 1, "failure": 1}
