"""Asserting what a breaker went through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from seawall.resilience.events import Event, Transition
from seawall.resilience.fields import BREAKER_STATES
from seawall.resilience.guard import Guard
from seawall.resilience.pipeline import Pipeline
from seawall.testing.recording import Recording
from seawall.testing.subjects import with_breaker

_ARROW = " -> "


@contextmanager
def assert_transitions(of: Guard | Pipeline, *states: str) -> Iterator[Recording]:
    """Assert that the breaker goes through exactly these states inside; the first is the one it begins in.
    Of a pipeline: its one breaker.

    At the end it is looked at: when its open time is over by then, it is half-open. An exception of the block
    itself is not touched. Gives the :class:`Transition` events so far.

    with assert_transitions(bank, "closed", "open"):
        ...
    """
    guard = with_breaker(of)
    for state in states or ("",):
        if state not in BREAKER_STATES:
            raise ValueError(f"state is {state!r}; allowed: {', '.join(BREAKER_STATES)}")
    guard.pass_time()
    began = guard.state
    seen = Recording()

    def listener(event: Event) -> None:
        if event.dependency == guard.name:
            seen(event)

    registry, name = guard.registry, f"assert_transitions of {guard.name}, {id(seen)}"
    registry.subscribe(listener, name=name, events=(Transition,))
    try:
        yield seen
        guard.pass_time()
    finally:
        registry.unsubscribe(listener)
        registry.listener_errors.pop(name, None)
    moves = seen.of(Transition)
    went = (began, *(move.to_state for move in moves))
    if went != states:
        __tracebackhide__ = True
        raise AssertionError(_difference(guard.name, states, went, moves))


def _difference(name: str, expected: tuple[str, ...], went: tuple[str, ...], moves: list[Transition]) -> str:
    lines = [f"{name}: expected {_path(expected)}", f"{' ' * len(name)}  it was   {_path(went)}"]
    for move in moves:
        lines.append(f"- {move.from_state}{_ARROW}{move.to_state}: {move.reason}{_numbers(move)}")
    return "\n".join(lines)


def _path(states: tuple[str, ...]) -> str:
    return _ARROW.join(states) if len(states) > 1 else f"{states[0]} all the time"


def _numbers(move: Transition) -> str:
    """``, 5 of 10 calls failed (ConnectionError 4, TimeoutError 1)``; "" where no window decided."""
    if not move.window_calls:
        return ""
    errors = ", ".join(f"{error} {count}" for error, count in move.errors)
    failed = f", {move.failures} of {move.window_calls} calls failed"
    return f"{failed} ({errors})" if errors else failed
