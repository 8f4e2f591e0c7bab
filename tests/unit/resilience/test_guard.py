"""What a guard is beside its policies: names, errors, operations, listeners, the document."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench, flaky

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    ConfigurationError,
    Guard,
    Registry,
    Retry,
    TimedOut,
)


def test_a_failed_calls_frame_dies_with_the_exception(bench: Callable[..., Bench]) -> None:
    class Big: ...

    b = bench(breaker=Breaker(), retry=Retry(attempts=2, base_delay=0))
    dead: list[weakref.ref[Big]] = []

    def body() -> None:
        big = Big()
        dead.append(weakref.ref(big))
        raise ConnectionError

    gc.disable()
    try:
        if b.how == "sync":
            with pytest.raises(ConnectionError):
                b.once(body)
            assert [ref() for ref in dead] == [None, None]
    finally:
        gc.enable()


def test_declared_operations_are_counted_apart_and_others_refused() -> None:
    guard = Guard("files", operations=("get", "put"), registry=Registry("t"))
    assert guard.operation("put").call(lambda: 1) == 1
    assert guard.read()[guard.ledger.layout.at("calls", "put", "success")] == 1
    assert guard.read()[guard.ledger.layout.at("calls", "get", "success")] == 0
    with pytest.raises(ConfigurationError, match="get, put"):
        guard.operation("delete")
    with pytest.raises(ConfigurationError, match="get, put"):
        guard.call(lambda: 1)


def test_a_listener_that_raises_is_counted_and_the_call_goes_on() -> None:
    registry = Registry("t")
    registry.subscribe(lambda event: 1 / 0, name="broken")
    guard = Guard("bank", retry=Retry(attempts=2, base_delay=0), registry=registry)
    assert guard.call(flaky(ConnectionError())) == "answer"
    assert registry.listener_errors == {"broken": 1}


def test_all_violations_in_one_error() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Breaker(failure_ratio=1.5, window_calls=0, open_for=-1, record=ValueError)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 4
    assert "Breaker.failure_ratio is 1.5; allowed: a number > 0 and <= 1" in caught.value.problems


def test_a_name_is_taken_once() -> None:
    registry = Registry("t")
    Guard("bank", registry=registry)
    with pytest.raises(ConfigurationError, match="'bank'"):
        Guard("bank", registry=registry)


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "a\x00", "\ud800", "\u2028"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        Guard(name, registry=Registry("t"))


def test_rejections_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(BreakerOpen("bank", "breaker", "open", 3.0)))
    assert (error.dependency, error.policy, error.reason, error.retry_after) == (
        "bank",
        "breaker",
        "open",
        3.0,
    )
    late = pickle.loads(pickle.dumps(TimedOut("bank", "total", 2.0)))
    assert (late.dependency, late.scope, late.limit) == ("bank", "total", 2.0)


def test_hash_of_the_document_follows_the_settings() -> None:
    def document(ratio: float) -> dict[str, Any]:
        registry = Registry("t")
        Guard("bank", breaker=Breaker(failure_ratio=ratio), registry=registry)
        return registry.describe()

    assert document(0.5) == document(0.5)
    assert document(0.5)["hash"] != document(0.4)["hash"]
    assert document(0.5)["guards"][0]["policies"]["breaker"]["failure_ratio"] == 0.5


def test_those_who_asked_are_told_of_guards_that_come_and_go() -> None:
    registry, come, gone = Registry("t"), list[Guard](), list[Guard]()
    registry.joined.add(come.append)
    registry.left.add(gone.append)
    guard = registry.guard("bank", breaker=Breaker())
    registry.remove("none")
    assert (come, gone, registry.get("bank"), guard.registry) == ([guard], [], guard, registry)
    registry.remove("bank")
    assert (come, gone, registry.get("bank"), len(registry)) == ([guard], [guard], None, 0)


def test_keywords_of_a_call_are_those_of_the_function() -> None:
    guard = Guard("bank", registry=Registry("t"))

    def pages(first: int, last: int) -> Iterator[int]:
        yield from range(first, last)

    assert guard.call(lambda a, b: a - b, 3, b=1) == 2
    assert list(guard.call(pages, 3, last=5)) == [3, 4]
