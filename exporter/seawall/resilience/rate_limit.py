"""Rate limit: settings, and the token bucket kept as one number.

The number is the theoretical arrival time of the generic cell rate algorithm (GCRA, ITU-T I.371).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from seawall.resilience.checks import Checks, type_names
from seawall.resilience.retry_after import Ask, Failed, asked
from seawall.resilience.sliding_window import SlidingWindowState
from seawall.resilience.verdict import Types, matches, neutral

KINDS = ("token_bucket", "sliding_window", "smooth")
#: The log of a sliding window is one number per permit.
MOST_LOGGED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Ask at most so often.

    rate: permits per second in the long run, 1e-9 to 1e9.
    burst: permits that may be taken at once, >= 1. 1: none to spare.
    max_wait: seconds a call may wait for its permit before it is rejected. 0: it is rejected at once.
    kind: how permits come back.
        ``token_bucket`` (the default, and the fastest): one every 1 / rate seconds, ``burst`` at most kept;
        after a pause up to 2 x burst within burst / rate seconds.
        ``sliding_window``: at most ``burst`` in any burst / rate seconds, exactly: times of permits are kept
        in a log. For a quota that the dependency counts itself. Its calls take no fast lane.
        ``smooth``: one call every 1 / rate seconds, no burst; each waits for its turn, ``max_wait`` at most.
    throttled_on: exception types, or a predicate, by which the dependency says that it was too much (an HTTP
        429). The bucket is then empty until the time that it asks for.
    throttled_for: seconds, when it doesn't say how long. 1.
    retry_after: function from the exception to what it says: seconds, or the text of an HTTP ``Retry-After``.
        Else its attribute ``retry_after``.
    max_retry_after: seconds that it may say at most, > 0. 60: a header must not switch the service off.
    throttled_counts: whether such an answer is a failure for the breaker. False: the dependency is well.
    """

    rate: float
    burst: int = 1
    max_wait: float = 0.0
    kind: str = "token_bucket"
    throttled_on: Types | Callable[[BaseException], bool] = ()
    throttled_for: float = 1.0
    retry_after: Ask | None = None
    max_retry_after: float = 60.0
    throttled_counts: bool = False

    def __post_init__(self) -> None:
        checks = Checks("RateLimit")
        checks.number("rate", self.rate, at_least=1e-9, at_most=1e9)
        burst = checks.number("burst", self.burst, at_least=1, at_most=1_000_000_000, whole=True)
        wait = checks.number("max_wait", self.max_wait, at_least=0)
        checks.one_of("kind", self.kind, KINDS)
        if self.kind == "sliding_window" and burst and self.burst > MOST_LOGGED:
            checks.fail("burst", self.burst, f"at most {MOST_LOGGED} in a sliding_window")
        if self.kind == "smooth" and burst and self.burst != 1:
            checks.fail("burst", self.burst, "1 with smooth: it knows no bursts")
        if self.kind == "smooth" and wait and self.max_wait == 0:
            checks.fail("max_wait", self.max_wait, "above 0 with smooth: each call waits for its turn")
        if not callable(self.throttled_on):
            checks.exceptions("throttled_on", self.throttled_on)
        checks.number("throttled_for", self.throttled_for, at_least=0)
        if self.retry_after is not None and not callable(self.retry_after):
            checks.fail("retry_after", self.retry_after, "a function, or None")
        checks.number("max_retry_after", self.max_retry_after, above=0)
        if not isinstance(self.throttled_counts, bool):
            checks.fail("throttled_counts", self.throttled_counts, "True, False")
        checks.done()

    def throttled(self, error: BaseException, failed: Failed) -> float | None:
        """Seconds to ask nothing more, after an error that says it was too much; ``None`` for any other."""
        if neutral(error):
            return None
        if callable(self.throttled_on):
            try:
                said = self.throttled_on(error)
            except Exception as problem:
                failed("predicate", problem)
                return None
        else:
            said = matches(error, self.throttled_on)
        if not said:
            return None
        wait = asked(error, self.retry_after, failed)
        return min(self.throttled_for if wait is None else wait, self.max_retry_after)

    def describe(self) -> dict[str, object]:
        shown = True if callable(self.throttled_on) else type_names(self.throttled_on)
        return {
            "rate": self.rate,
            "burst": self.burst,
            "max_wait": self.max_wait,
            "kind": self.kind,
            "throttled_on": shown,
            "throttled_for": self.throttled_for,
            "retry_after": self.retry_after is not None,
            "max_retry_after": self.max_retry_after,
            "throttled_counts": self.throttled_counts,
        }


@dataclass(slots=True)
class RateLimitState:
    """``arrival`` is the time at which the next permit falls due if they were taken at the rate.

    A permit is free while ``arrival - now <= tolerance``: the burst in reserve, and a hair to spare. The fast
    path takes one in line (see hotpath.py): read, compare and store without a call between, which no other
    thread can interrupt under the GIL.
    """

    settings: RateLimit
    interval: float = field(init=False)
    reserve: float = field(init=False)
    tolerance: float = field(init=False)
    arrival: float = -inf
    shut_until: float = -inf

    def __post_init__(self) -> None:
        self.interval = 1 / self.settings.rate
        # To spare: `arrival - now` is the difference of two large floats, and a burst adds up the roundings
        # of as many additions, up to 1e-8 s each on a clock that has run for years. At most 0.1 %.
        roundings = self.settings.burst * min(1e-8, self.interval / 1000)
        self.reserve = (self.settings.burst - 1) * self.interval
        self.tolerance = self.reserve + 5e-10 + roundings

    def reconfigure(self, settings: RateLimit, now: float) -> None:
        """Other settings. Permits that were left are left, and no more: a larger burst fills at the rate."""
        fresh, rate = RateLimitState(settings), self.settings.rate
        most = settings.burst
        spare: float = self.settings.burst
        # No call from here on: during any the fast path may take a permit.
        if self.arrival > now:
            spare -= (self.arrival - now) * rate
        arrival = now + (most - (spare if spare < most else most)) * fresh.interval
        if self.shut_until > now and arrival < self.shut_until + fresh.reserve:
            arrival = self.shut_until + fresh.reserve
        self.settings, self.arrival = settings, arrival
        self.interval, self.reserve, self.tolerance = fresh.interval, fresh.reserve, fresh.tolerance

    def take(self, now: float) -> float | None:
        """Reserve a permit: seconds until it may be used, or ``None`` when that is beyond ``max_wait``."""
        arrival = max(self.arrival, now)
        wait = max(0.0, arrival - now - self.tolerance)
        if wait > self.settings.max_wait:
            return None
        self.arrival = arrival + self.interval
        return wait

    @property
    def newest(self) -> float:
        """What tells the permit that was taken last from the others."""
        return self.arrival

    def give_back(self, permit: float) -> None:
        """A permit was taken and nothing was asked; ``permit`` is what ``newest`` was then.

        One that is not the newest any more is lost: those behind it were dated after it, and to hand out its
        time once more would admit two at once.
        """
        if self.arrival == permit:
            self.arrival = max(self.arrival - self.interval, self.shut_until + self.reserve)

    def drain(self, until: float) -> None:
        """No permit before ``until``; then one, and the rest at the rate."""
        self.shut_until = max(self.shut_until, until)
        self.arrival = max(self.arrival, until + self.reserve)

    def retry_after(self, now: float) -> float:
        return max(0.0, self.arrival - now - self.tolerance)

    def available(self, now: float) -> float:
        """Permits that could be taken at once, in [0, burst]."""
        busy = max(0.0, self.arrival - now)
        return max(0.0, min(float(self.settings.burst), self.settings.burst - busy * self.settings.rate))


Limiter = RateLimitState | SlidingWindowState


def limiter_of(settings: RateLimit) -> Limiter:
    """The state that a kind asks for. ``smooth`` is a bucket of one whose callers wait."""
    if settings.kind == "sliding_window":
        return SlidingWindowState(settings)
    return RateLimitState(settings)
