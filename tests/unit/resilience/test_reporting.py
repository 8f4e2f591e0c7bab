"""What listeners and the log are told, to the last fact, and what becomes of their own errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.resilience.bench import CALM, Bench, fails

from seawall.resilience import Breaker, Guard, Registry, Retry, RetryThrottle
from seawall.resilience.events import CallDegraded, CallFailed, CallRejected, RetryScheduled, Transition
from seawall.testing import Recording


def facts(event: Any) -> dict[str, Any]:
    return {
        name: getattr(event, name) for kind in type(event).__mro__ for name in getattr(kind, "__slots__", ())
    }


def test_a_transition_says_all_there_is(bench: Callable[..., Bench]) -> None:
    breaker = Breaker(minimum_calls=4, window_calls=4, slow_after=1.0, slow_ratio=0.9, open_for=7)
    b = bench(breaker=breaker, retry=None)

    def slow() -> None:
        b.clock.advance(1.5)

    b(slow)
    b(fails(KeyError()))
    b(fails(ConnectionError()), times=2)
    (opened,) = b.events.of(Transition)
    expected = {
        "dependency": "bank", "operation": "default", "number": opened.number, "at": 1001.5,
        "from_state": "closed", "to_state": "open", "reason": "failure_ratio reached", "failure_ratio": 0.75,
        "slow_ratio": 0.25, "window_calls": 4, "failures": 3,
        "errors": (("ConnectionError", 2), ("KeyError", 1)), "open_for": 7.0,
    }  # fmt: skip
    assert expected.items() <= facts(opened).items()
    b.clock.advance(7)
    b(lambda: 1)
    probing = b.events.of(Transition)[1]
    assert (probing.from_state, probing.to_state, probing.at) == ("open", "half_open", 1008.5)
    assert probing.open_for is None


def test_events_are_numbered_in_the_order_in_which_they_are_handed_out() -> None:
    b = Bench("sync", retry=CALM, breaker=Breaker(minimum_calls=3, window_calls=3))
    b(fails(ConnectionError()), times=2)
    assert [event.number for event in b.events.events] == list(range(1, len(b.events.events) + 1))
    first = b.events.of(RetryScheduled)[0]
    assert (first.dependency, first.operation, first.at) == ("bank", "default", 1000.0)


def test_an_event_that_nobody_asked_for_has_no_number() -> None:
    b = Bench("sync", retry=CALM, breaker=Breaker(minimum_calls=2, window_calls=2))
    heard = Recording()
    b.registry.unsubscribe(b.events)
    b.registry.subscribe(heard, events=[RetryScheduled])
    b(fails(ConnectionError()))
    assert [(type(event), event.number) for event in heard.events] == [(RetryScheduled, 1)]


def test_the_errors_of_a_listener_are_logged_once_with_their_type(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry("t")
    registry.subscribe(lambda event: 1 / 0, name="broken")
    guard = Guard("bank", retry=Retry(attempts=3, base_delay=0, budget=None), registry=registry)
    with pytest.raises(ConnectionError):
        guard.call(fails(ConnectionError()))
    assert [record.getMessage() for record in caplog.records] == [
        "listener broken raised ZeroDivisionError; further errors are counted, not logged"
    ]
    assert registry.listener_errors["broken"] >= 3


def test_predicates_and_observers_are_told_apart_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Observer:
        def watching(self) -> bool:
            raise RuntimeError

        def call_started(self, guard: Guard, operation: str) -> None: ...

    registry = Registry("t")
    Guard("bank", retry=Retry(on_result=lambda answer: answer.missing), registry=registry).call(int)
    registry.observe(Observer())  # type: ignore[arg-type]
    with Guard("shop", registry=registry):
        pass
    assert [record.getMessage() for record in caplog.records] == [
        f"listener {who} raised {kind}; further errors are counted, not logged"
        for who, kind in (("predicate", "AttributeError"), ("observer", "RuntimeError"))
    ]
    assert registry.listener_errors["predicate"] == 1
    assert registry.listener_errors["observer"] >= 1


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ([CallRejected], True),
        ([CallFailed], True),
        ([CallDegraded], True),
        ([RetryScheduled, Transition], False),
    ],
)
def test_who_hears_of_rejected_calls(kinds: list[type], told: bool) -> None:
    class Observer:
        def watching(self) -> bool:
            return False

        def call_started(self, guard: Guard, operation: str) -> None: ...

    registry = Registry("t")
    guard = Guard("bank", registry=registry)
    assert guard.report.audience() is False
    registry.subscribe(Recording(), events=kinds)
    assert guard.report.audience() is told
    registry.observe(Observer())  # type: ignore[arg-type]
    assert guard.report.audience() is True


def test_a_forked_child_hands_out_its_own_transitions_and_not_its_parents() -> None:
    b = Bench("sync", breaker=Breaker(minimum_calls=1, window_calls=1))
    report = b.guard.report
    report._handing_out = True
    b(fails(ConnectionError()))
    assert (b.events.of(Transition), len(report._changes)) == ([], 1)
    report.restart()
    assert (len(report._changes), report._handing_out) == (0, False)
    b.clock.advance(30)
    b(lambda: 1)
    assert [event.to_state for event in b.events.of(Transition)] == ["half_open"]


def test_a_slow_success_brings_tokens_back_too() -> None:
    b = Bench(
        "sync",
        retry=Retry(attempts=1, budget=RetryThrottle(max_tokens=4, token_ratio=0.5)),
        breaker=Breaker(slow_after=1.0),
    )
    b(fails(ConnectionError()), times=2)
    assert b.count("retry_budget_remaining") == 0.0
    b(lambda: b.clock.advance(2.0), times=2)
    assert b.count("attempts", "default", "slow") == 2
    assert b.count("retry_budget_remaining") == 0.5
    b(lambda: 1)
    assert b.count("retry_budget_remaining") == 0.75


def test_an_observer_is_told_whose_call_begins_and_of_which_operation(bench: Callable[..., Bench]) -> None:
    told: list[tuple[Guard, str]] = []

    class Observer:
        def watching(self) -> bool:
            return True

        def call_started(self, guard: Guard, operation: str) -> None:
            told.append((guard, operation))

    b = bench(operations=("default", "pay"))
    b.registry.observe(Observer())  # type: ignore[arg-type]
    b(lambda: 1)
    if b.how == "sync":
        b.guard.operation("pay").call(lambda: 1)
    else:
        b.clock.run(b.guard.operation("pay").acall(asyncio.sleep, 0))
    assert told == [(b.guard, "default"), (b.guard, "pay")]


def test_who_unsubscribes_hears_no_more_and_others_do() -> None:
    registry, one, other = Registry("t"), Recording(), Recording()
    guard = Guard("bank", retry=CALM, registry=registry, sleep=lambda seconds: None)
    registry.subscribe(one)
    registry.subscribe(other)
    registry.unsubscribe(one)
    with pytest.raises(ConnectionError):
        guard.call(fails(ConnectionError()))
    assert (len(one.events), len(other.events) > 0) == (0, True)


def test_advice_is_logged_once_in_place_of_the_error(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry("t")
    guard = Guard("bank", registry=registry)
    for advice in ("do this", "do that: 100 %s", "do this"):
        guard.report.failed("fallback.key", TypeError(), advice)
    assert registry.listener_errors == {"fallback.key": 3}
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "do this"), ("WARNING", "do that: 100 %s")
    ]  # fmt: skip


def test_an_error_that_nobody_saw_is_an_exception_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry("t")
    for _ in range(2):
        registry.count_listener_error("sink")
    assert registry.listener_errors == {"sink": 2}
    assert [record.getMessage() for record in caplog.records] == [
        "listener sink raised an exception; further errors are counted, not logged"
    ]


def test_the_errors_of_an_observer_are_counted_from_0_once_there_is_one() -> None:
    registry = Registry("t")
    registry.observe(None)
    assert registry.listener_errors == {}

    class Observer:
        def watching(self) -> bool:
            return False

        def call_started(self, guard: Guard, operation: str) -> None: ...

    registry.observe(Observer())  # type: ignore[arg-type]
    assert registry.listener_errors == {"observer": 0}


def test_listeners_are_known_by_the_name_given_or_by_their_own() -> None:
    registry = Registry("t")
    assert registry.listeners_of(Transition) == ()

    def listener(event: Any) -> None: ...

    recording, other = Recording(), Recording()
    registry.subscribe(listener)
    registry.subscribe(recording)
    registry.subscribe(other, name="audit", events=[Transition])
    own = "test_listeners_are_known_by_the_name_given_or_by_their_own.<locals>.listener"
    assert registry.listener_errors == {own: 0, "Recording": 0, "audit": 0}
    assert registry.listeners_of(Transition) == ((own, listener), ("Recording", recording), ("audit", other))
    assert registry.listeners_of(CallFailed) == ((own, listener), ("Recording", recording))
    assert registry.listeners_of(int) == ()
