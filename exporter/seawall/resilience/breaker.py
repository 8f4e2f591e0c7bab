"""Settings of a circuit breaker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from seawall.resilience.checks import Checks, type_names

#: What a breaker begins as: closed, or in the state of that name.
ON: Final = "on"
MODES = (ON, "metrics_only", "disabled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """Stop asking a dependency that fails.

    failure_ratio: share of failures in the window that opens it, in (0, 1]. 0.5 as in resilience4j.
    window_calls: the window, in calls. 100 as in resilience4j.
    window_seconds: the window in seconds instead, for a dependency whose traffic varies much. Kept in tenths.
    minimum_calls: results in the window before a ratio counts. 10: one failure at start is noise.
    consecutive_failures: so many failures with no success between them open it, whatever the ratio.
    open_for: seconds it stays open before it asks again. 30: longer than most restarts, shorter than a page.
    open_for_multiplier, max_open_for: growth of that time each time it opens again, and its bound in seconds.
    open_for_jitter: spread of that time, as a share of it in [0, 1), so that replicas do not ask together.
    half_open_permits: probes admitted when it asks again, exactly. 3: one success can be luck.
    half_open_success_ratio: share of the probes that closes it; None: as many as keep it under failure_ratio.
    half_open_max_wait: seconds after the last probe after which a round without an answer counts as failed;
    the next call then finds it open. While nobody calls it stays half-open, and nobody is refused.
    slow_after: seconds from which a success is slow; None: no call is.
    slow_ratio: share of slow calls in the window that opens it, in (0, 1].
    record / ignore: exception types that count as failure, and those that do not. ``ignore`` wins.
    record_if / ignore_if: the same by a predicate of the exception. ``ignore_if`` wins over both ``record``.
    record_result: predicate of a returned result that counts as failure; the caller gets the result.
    mode: what it begins as: ``on`` (closed), ``metrics_only`` (it refuses nobody and counts whom it would
    have refused: for a first week in production), ``disabled``. As resilience4j's initial state.
    """

    failure_ratio: float = 0.5
    window_calls: int = 100
    window_seconds: float | None = None
    minimum_calls: int = 10
    consecutive_failures: int | None = None
    open_for: float = 30.0
    open_for_multiplier: float = 1.0
    max_open_for: float | None = None
    open_for_jitter: float = 0.0
    half_open_permits: int = 3
    half_open_success_ratio: float | None = None
    half_open_max_wait: float = 60.0
    slow_after: float | None = None
    slow_ratio: float = 1.0
    record: tuple[type[BaseException], ...] = (Exception,)
    ignore: tuple[type[BaseException], ...] = ()
    record_if: Callable[[BaseException], bool] | None = None
    ignore_if: Callable[[BaseException], bool] | None = None
    record_result: Callable[[Any], bool] | None = None
    mode: Literal["on", "metrics_only", "disabled"] = "on"

    def __post_init__(self) -> None:
        checks = Checks("Breaker")
        checks.number("failure_ratio", self.failure_ratio, above=0, at_most=1)
        window = checks.number("window_calls", self.window_calls, at_least=1, at_most=1_000_000, whole=True)
        most = self.window_calls if window and self.window_seconds is None else 1_000_000
        checks.number("minimum_calls", self.minimum_calls, at_least=1, at_most=most, whole=True)
        checks.number("window_seconds", self.window_seconds, above=0, at_most=86400, optional=True)
        checks.number(
            "consecutive_failures",
            self.consecutive_failures,
            at_least=1,
            at_most=most,
            whole=True,
            optional=True,
        )
        open_for = checks.number("open_for", self.open_for, above=0)
        checks.number("open_for_multiplier", self.open_for_multiplier, at_least=1)
        shortest = self.open_for if open_for else 0
        checks.number("max_open_for", self.max_open_for, at_least=shortest, optional=True)
        if self.open_for_multiplier != 1 and self.max_open_for is None:
            checks.fail("max_open_for", None, "a number of seconds: with an open_for_multiplier it must end")
        checks.number("open_for_jitter", self.open_for_jitter, at_least=0, at_most=0.99)
        checks.number(
            "half_open_success_ratio", self.half_open_success_ratio, above=0, at_most=1, optional=True
        )
        checks.number("half_open_permits", self.half_open_permits, at_least=1, at_most=1_000, whole=True)
        checks.number("half_open_max_wait", self.half_open_max_wait, above=0)
        checks.number("slow_after", self.slow_after, above=0, optional=True)
        checks.number("slow_ratio", self.slow_ratio, above=0, at_most=1)
        checks.exceptions("record", self.record)
        checks.exceptions("ignore", self.ignore)
        for name in ("record_if", "ignore_if", "record_result"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                checks.fail(name, getattr(self, name), "a function, or None")
        checks.one_of("mode", self.mode, MODES)
        checks.done()

    def describe(self) -> dict[str, object]:
        described: dict[str, object] = {name: getattr(self, name) for name in _NUMBERS}
        for name in ("record_if", "ignore_if", "record_result"):
            described[name] = getattr(self, name) is not None
        types = {"record": type_names(self.record), "ignore": type_names(self.ignore)}
        return described | types | {"mode": self.mode}


_NUMBERS = (
    "failure_ratio", "window_calls", "window_seconds", "minimum_calls", "consecutive_failures", "open_for",
    "open_for_multiplier", "max_open_for", "open_for_jitter", "half_open_permits", "half_open_success_ratio",
    "half_open_max_wait", "slow_after", "slow_ratio",
)  # fmt: skip
