"""What a guard tells others: events to listeners, calls to the observer.

Nothing they do reaches the caller.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from seawall.resilience.breaker_state import Change
from seawall.resilience.events import CallDegraded, CallFailed, CallRejected, Transition
from seawall.resilience.observer import Watch
from seawall.resilience.registry import Registry

if TYPE_CHECKING:
    from seawall.resilience.guard import Guard

R = TypeVar("R")


class Reporter:
    """The events and watches of one guard.

    Events are numbered from 1, in the order in which they are handed out.
    """

    __slots__ = ("_changes", "_guard", "_handing_out", "_registry", "number")

    def __init__(self, guard: Guard, registry: Registry) -> None:
        self._guard = guard
        self._registry = registry
        self._changes: deque[tuple[int, Change]] = deque()
        self._handing_out = False
        self.number = 0

    def event(self, kind: type, operation: str, **facts: Any) -> None:
        """Build and hand out an event, if anyone listens. Never called under the guard's lock."""
        if listeners := self._registry.listeners_of(kind):
            self.number += 1
            guard = self._guard
            event = kind(
                dependency=guard.name, operation=operation, number=self.number, at=guard.clock(), **facts
            )
            self._registry.hand_out(listeners, event)

    def decided(self, change: Change) -> None:
        """Remember a transition and its number until the lock is released. Caller holds it."""
        if self._registry.listeners_of(Transition):
            self.number += 1
            self._changes.append((self.number, change))

    def transitions(self, operation: str) -> None:
        """Hand out the transitions that were decided since: in their order, by one thread at a time."""
        while self._changes:
            with self._guard.lock:
                if self._handing_out or not self._changes:
                    return
                self._handing_out = True
                number, change = self._changes.popleft()
            try:
                self._hand_out(operation, number, change)
            finally:
                self._handing_out = False

    def _hand_out(self, operation: str, number: int, change: Change) -> None:
        event = Transition(
            dependency=self._guard.name,
            operation=operation,
            number=number,
            at=change.at,
            from_state=change.from_state,
            to_state=change.to_state,
            reason=change.reason,
            failure_ratio=change.failure_ratio,
            slow_ratio=change.slow_ratio,
            window_calls=change.window_calls,
            failures=change.failures,
            errors=change.errors,
            open_for=change.open_for,
        )
        self._registry.hand_out(self._registry.listeners_of(Transition), event)

    def restart(self) -> None:
        """In a forked child: whoever was handing out is not here."""
        self._changes.clear()
        self._handing_out = False

    def audience(self) -> bool:
        """Whether anyone is told of rejected calls."""
        registry = self._registry
        return registry.observer is not None or bool(
            registry.listeners_of(CallRejected)
            or registry.listeners_of(CallFailed)
            or registry.listeners_of(CallDegraded)
        )

    def safely(self, predicate: Callable[[Any], bool] | None) -> Callable[[Any], bool] | None:
        """A predicate of the user's as one that never raises: when it does, it is counted and says no."""
        if predicate is None:
            return None

        def asked(value: Any) -> bool:
            try:
                return bool(predicate(value))
            except Exception as error:
                self.failed("predicate", error)
                return False

        return asked

    def question(self) -> Callable[[], bool] | None:
        """What to ask before a call takes the fast lane; it may raise. None: nobody observes."""
        observer = self._registry.observer
        return None if observer is None else observer.watching

    def failed(self, who: str, error: BaseException, advice: str = "") -> None:
        """Code of the user's, or of telemetry, raised where that must not matter to the call."""
        self._registry.count_listener_error(who, error, advice)

    def watch(self, operation: str) -> Watch | None:
        """Follow a call that begins, if the observer wants to."""
        observer = self._registry.observer
        if observer is None or not self.observed(observer.watching):
            return None
        return self.observed(observer.call_started, self._guard, operation)

    def observed(self, method: Callable[..., R], *args: Any) -> R | None:
        """Call into an observer or a watch; what it raises is counted, not propagated."""
        try:
            return method(*args)
        except Exception as error:
            self.failed("observer", error)
            return None
