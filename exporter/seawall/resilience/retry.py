"""Retry: settings, and what they say of an attempt that failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from seawall.resilience.backoff import Pace
from seawall.resilience.checks import Checks, type_names
from seawall.resilience.retry_after import Ask
from seawall.resilience.retry_budget import RetryBudget
from seawall.resilience.retry_throttle import RetryThrottle
from seawall.resilience.verdict import Types, leaves, matches


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """What is different for one type of error; ``None``: as the :class:`Retry` says. See there."""

    attempts: int | None = None
    backoff: str | None = None
    base_delay: float | None = None
    max_delay: float | None = None
    multiplier: float | None = None
    jitter: str | None = None

    def describe(self) -> dict[str, object]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Ask again after a failure that may pass.

    attempts: attempts in all, the first included; 1 to 100. 3: two retries catch most blips.
    backoff: how delays grow: ``exponential`` by ``multiplier``, ``constant``, ``fibonacci`` (1, 1, 2, 3, 5 x
        ``base_delay``), ``decorrelated`` (drawn from ``base_delay`` to three times the delay before).
    base_delay, max_delay: seconds before the first retry, and the most before any.
    multiplier: growth from one delay to the next, >= 1.
    jitter: ``full`` draws from [0, delay], ``equal`` from [delay/2, delay], ``none`` takes the delay.
        ``full`` spreads callers the most.
    on: exception types that are worth another attempt. Rejections by the guard's own policies never are.
    per_error: (exception type, RetryRule) pairs; the first that fits decides, whether ``on`` names the type
        or not. A rule with ``attempts=1`` excepts its type from retrying.
    on_result: predicate of a result that is worth another attempt, as "not ready yet". When retries are used
        up the caller gets the last result: the dependency did answer. It is not kept for stale answers.
    idempotent: operations that may be asked twice; others are never retried. None: all of them may. ``()``:
        none.
    unsent: exception types that prove that the dependency did nothing (a refused connection): after these
        every operation may be retried.
    retry_after: function from the exception to how long the dependency asks to be left alone: seconds, or
        the text of an HTTP ``Retry-After``. Else its attribute ``retry_after``. No retry comes sooner.
    max_retry_after: seconds that a caller waits for that; asked for more, the call ends at once. 60.
    budget: what all callers may spend on retries together: a RetryBudget, a RetryThrottle, or None: no bound
        but ``attempts``.
    """

    attempts: int = 3
    backoff: str = "exponential"
    base_delay: float = 0.1
    max_delay: float = 5.0
    multiplier: float = 2.0
    jitter: str = "full"
    on: Types = (Exception,)
    per_error: tuple[tuple[type[BaseException], RetryRule], ...] = ()
    on_result: Callable[[Any], bool] | None = None
    idempotent: tuple[str, ...] | None = None
    unsent: Types = ()
    retry_after: Ask | None = None
    max_retry_after: float = 60.0
    budget: RetryBudget | RetryThrottle | None = field(default_factory=RetryBudget)

    def __post_init__(self) -> None:
        checks = Checks("Retry")
        self._pace(RetryRule()).check(checks)
        checks.exceptions("on", self.on)
        self._check_rules(checks)
        names = self.idempotent
        if names is not None and not (isinstance(names, tuple) and all(isinstance(n, str) for n in names)):
            checks.fail("idempotent", names, "a tuple of names of operations, or None")
        checks.exceptions("unsent", self.unsent)
        for name in ("on_result", "retry_after"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                checks.fail(name, getattr(self, name), "a function, or None")
        checks.number("max_retry_after", self.max_retry_after, at_least=0)
        if not isinstance(self.budget, RetryBudget | RetryThrottle | None):
            checks.fail("budget", self.budget, "a RetryBudget, a RetryThrottle, or None")
        checks.done()

    def _check_rules(self, checks: Checks) -> None:
        pairs = self.per_error if isinstance(self.per_error, tuple) else (None,)
        for i, pair in enumerate(pairs):
            if not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[1], RetryRule):
                checks.fail("per_error", self.per_error, "a tuple of (exception type, RetryRule) pairs")
                return
            checks.exceptions(f"per_error[{i}]", (pair[0],))
            own = Checks(f"Retry.per_error[{i}]")
            self._pace(pair[1]).check(own)
            # What is wrong with the Retry itself is said once.
            named = {f.name for f in fields(pair[1]) if getattr(pair[1], f.name) is not None}
            checks.problems += own.problems if named else []

    def pace(self, error: BaseException | None) -> Pace | None:
        """How often and how fast an attempt that ended so is retried; ``None``: not at all.

        error: ``None`` stands for a result that ``on_result`` did not want.
        """
        if error is not None:
            for kind, rule in self.per_error:
                if matches(error, (kind,)):
                    return self._pace(rule)
            if not matches(error, self.on):
                return None
        return self._pace(RetryRule())

    def may_repeat(self, operation: str, error: BaseException | None = None) -> bool:
        """Whether the operation may be asked once more, without doing twice what it does."""
        if self.idempotent is None or operation in self.idempotent:
            return True
        return error is not None and all(isinstance(leaf, self.unsent) for leaf in leaves(error))

    def describe(self) -> dict[str, object]:
        return {
            "attempts": self.attempts,
            "backoff": self.backoff,
            "base_delay": self.base_delay,
            "max_delay": self.max_delay,
            "multiplier": self.multiplier,
            "jitter": self.jitter,
            "on": type_names(self.on),
            "per_error": [{"error": kind.__name__, **rule.describe()} for kind, rule in self.per_error],
            "on_result": self.on_result is not None,
            "idempotent": None if self.idempotent is None else list(self.idempotent),
            "unsent": type_names(self.unsent),
            "retry_after": self.retry_after is not None,
            "max_retry_after": self.max_retry_after,
            "budget": self.budget.describe() if self.budget else None,
        }

    def _pace(self, rule: RetryRule) -> Pace:
        own = ((getattr(rule, f.name), getattr(self, f.name)) for f in fields(Pace))
        return Pace(*(inherited if value is None else value for value, inherited in own))
