"""Settings of the timeouts, and what bounds the calls of one operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from seawall.resilience.checks import Checks

#: Seconds for one attempt, from the arguments of its call; ``None``: the fixed limit.
Ask = Callable[..., float | None]
Failed = Callable[[str, Exception], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout:
    """Bound how long callers wait, in seconds; ``None``: no bound. At least one limit is set.

    attempt: one attempt. total: the whole call with its retries and waits.
    attempt_for: function of the call's arguments that says how many seconds an attempt may take, as by the
        number of rows asked for; asked before each attempt. When it says None, ``attempt`` holds, as it does
        in ``with guard:``, which has no arguments. When it raises, or says what is no number above 0, too:
        counted as an error of the listener ``timeout.attempt_for``. Such calls never take the fast lane.
    by_operation: operation to the Timeout that holds for it in place of the three above; None: no limit.
    threads: how many worker threads run the calls of a ``def``, at most; 1 to 1000. None: callers do it.

    In ``async def`` the attempt is cancelled when its time is over. Python can't interrupt a thread: in
    ``def`` no attempt and no wait begins that the total can't hold, :func:`remaining` tells the function how
    long it may take (for its socket timeout), and an answer that comes too late is returned and counted as
    ``slow``.

    With ``threads`` an attempt of a ``def`` that has a limit runs on a worker thread, in a copy of the
    caller's context, and at the limit the caller gets :class:`TimedOut`. The thread goes on: nothing can end
    it. It is abandoned until its function returns (``seawall_timeout_abandoned_threads``), its late answer
    is thrown away, and the interpreter's exit does not wait for it. While all threads are taken, calls are
    rejected at once (``ThreadsBusy``): so keep socket timeouts too, threads bound the caller only. No call of
    such a guard takes the fast lane, and a hand-over costs some tens of microseconds. ``async def``, blocks
    and generators, and operations without a limit, run where they ever did.
    """

    attempt: float | None = None
    total: float | None = None
    attempt_for: Ask | None = None
    by_operation: Mapping[str, Timeout | None] = field(default_factory=dict, hash=False)
    threads: int | None = None

    def __post_init__(self) -> None:
        checks = Checks("Timeout")
        own = self.by_operation if self._check_operations(checks) else {}
        attempt = checks.number("attempt", self.attempt, above=0, optional=True)
        total = checks.number("total", self.total, above=0, optional=True)
        if self.attempt is None and self.total is None and not any(own.values()):
            checks.fail("attempt", None, "a number in attempt, in total, or in both")
        elif self.attempt is None and self.total is None and callable(self.attempt_for):
            checks.fail("attempt", None, "a number in attempt, in total, or in both, beside attempt_for")
        if (
            attempt
            and total
            and self.attempt is not None
            and self.total is not None
            and self.attempt > self.total
        ):
            checks.fail("attempt", self.attempt, f"at most the total, {self.total:g}")
        if self.attempt_for is not None and not callable(self.attempt_for):
            checks.fail("attempt_for", self.attempt_for, "a function, or None")
        checks.number("threads", self.threads, at_least=1, at_most=1000, whole=True, optional=True)
        checks.done()

    def _check_operations(self, checks: Checks) -> bool:
        """Whether ``by_operation`` is good."""
        if not isinstance(self.by_operation, Mapping):
            checks.fail("by_operation", self.by_operation, "operations and their Timeouts")
            return False
        before = len(checks.problems)
        for name, own in self.by_operation.items():
            setting = f"by_operation[{name!r}]"
            if not isinstance(own, Timeout | None):
                checks.fail(setting, own, "a Timeout, or None")
            elif own is not None and (own.by_operation or own.threads is not None):
                checks.fail(setting, own, "a Timeout without by_operation and threads")
        return len(checks.problems) == before

    def limits(self, operation: str, failed: Failed) -> Limits:
        """What bounds the calls of an operation. ``failed`` is told what ``attempt_for`` raises."""
        own = self.by_operation.get(operation, self)
        if own is None:
            return UNBOUNDED
        if own.attempt_for is None:
            return Limits(own.attempt, own.total)
        return Limits(own.attempt, own.total, own.attempt_for, failed)

    def sets(self, scope: str) -> bool:
        """Whether ``attempt``, ``total`` or ``attempt_for`` is set for any operation."""
        return any(getattr(t, scope) is not None for t in (self, *self.by_operation.values()) if t)

    def describe(self) -> dict[str, object]:
        own = self.by_operation.items()
        return {
            **self._describe_limits(),
            "by_operation": {name: t._describe_limits() if t else None for name, t in own},
            "threads": self.threads,
        }

    def _describe_limits(self) -> dict[str, object]:
        return {"attempt": self.attempt, "total": self.total, "attempt_for": self.attempt_for is not None}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one operation: the one place where the limit of an attempt comes from."""

    attempt: float | None = None
    total: float | None = None
    ask: Ask | None = None
    failed: Failed | None = None

    @property
    def bounded(self) -> bool:
        """Whether there is any limit."""
        return self.attempt is not None or self.total is not None

    @property
    def fixed(self) -> Limits:
        """The same for a call whose arguments nobody knows."""
        return replace(self, ask=None)

    @property
    def first(self) -> tuple[float, str]:
        """(seconds, scope) that bound the first attempt, where there is a limit."""
        if self.attempt is not None:
            return self.attempt, "attempt"
        assert self.total is not None
        return self.total, "total"

    def of_attempt(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
        """Seconds for one attempt, whatever is left of the total."""
        return self.attempt if self.ask is None else self._asked(self.ask, args, kwargs)

    def _asked(self, ask: Ask, args: tuple[Any, ...], kwargs: dict[str, Any]) -> float | None:
        assert self.failed is not None
        try:
            seconds = ask(*args, **kwargs)
            if seconds is None:
                return self.attempt
            if isinstance(seconds, bool) or not isfinite(seconds) or seconds <= 0:
                raise ValueError
        except Exception as error:
            self.failed("timeout.attempt_for", error)
            return self.attempt
        return float(seconds)


#: Of operations that have no limit.
UNBOUNDED = Limits()
