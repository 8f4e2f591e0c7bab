"""What is asked of a guard from outside its calls: storage elsewhere, and errors that tests put in."""

from __future__ import annotations

from collections.abc import Callable

from tests.unit.resilience.bench import Bench, fails


def test_counts_go_on_in_other_storage(bench: Callable[..., Bench]) -> None:
    b = bench(operations=("default", "pay"))
    b(lambda: "answer", times=2)
    b(fails(ConnectionError()))
    before = b.guard.read()
    slots = [7.0] * b.guard.ledger.layout.width
    with b.guard.lock:
        b.guard.keep_in(slots)
    assert b.guard.read() == before
    assert b.guard.ledger.slots is slots
    assert [op.slots is slots for op in b.guard.declared()] == [True, True]
    b(lambda: "answer")
    assert b.count("calls", "default", "success") == 3


def test_faults_are_asked_in_turn_which_error_an_attempt_comes_to(bench: Callable[..., Bench]) -> None:
    asked: list[str] = []
    error, later = ConnectionError("down"), OSError("later")
    b = bench()
    b.guard.fail_by(asked.append, lambda operation: error, lambda operation: later)
    assert b.guard.fault("pay") == (False, error)
    assert asked == ["pay"]
    assert b(lambda: "answer") is error
    assert asked == ["pay", "default"]
    b.guard.fail_by(asked.append)
    assert b.guard.fault("pay") is None
    assert b(lambda: "answer") == "answer"
    b.guard.fail_by()
    del asked[:]
    assert (b.guard.fault("pay"), b(lambda: "answer"), asked) == (None, "answer", [])
