"""Rate limit: a token bucket kept as one number, the theoretical arrival time of GCRA (ITU-T I.371)."""

from __future__ import annotations

from dataclasses import dataclass, field

from seawall.resilience.checks import Checks


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Ask at most so often.

    rate: permits per second, > 0. burst: permits that may be taken at once, >= 1.
    max_wait: seconds a call may wait for its permit before it is rejected.
    """

    rate: float
    burst: int = 1
    max_wait: float = 0.0

    def __post_init__(self) -> None:
        checks = Checks("RateLimit")
        checks.number("rate", self.rate, above=0, at_most=1e9)
        checks.number("burst", self.burst, at_least=1, at_most=1_000_000_000, whole=True)
        checks.number("max_wait", self.max_wait, at_least=0)
        checks.done()

    def describe(self) -> dict[str, object]:
        return {"rate": self.rate, "burst": self.burst, "max_wait": self.max_wait}


@dataclass(slots=True)
class RateLimitState:
    """``arrival`` is the time at which the next permit falls due if they were taken at the rate.

    A permit is free while ``arrival - now <= tolerance``. The fast path takes one in line (see hotpath.py):
    read, compare and store without a call between, which no other thread can interrupt under the GIL.
    """

    settings: RateLimit
    interval: float = field(init=False)
    tolerance: float = field(init=False)
    arrival: float = float("-inf")

    def __post_init__(self) -> None:
        self.interval = 1 / self.settings.rate
        # Half a nanosecond: `arrival - now` is the difference of two large floats.
        self.tolerance = (self.settings.burst - 1) * self.interval + 5e-10

    def take(self, now: float) -> float | None:
        """Reserve a permit: seconds until it may be used, or ``None`` when that is beyond ``max_wait``."""
        arrival = max(self.arrival, now)
        wait = max(0.0, arrival - now - self.tolerance)
        if wait > self.settings.max_wait:
            return None
        self.arrival = arrival + self.interval
        return wait

    def give_back(self) -> None:
        """A permit was taken and nothing was asked."""
        self.arrival -= self.interval

    def retry_after(self, now: float) -> float:
        return max(0.0, self.arrival - now - self.tolerance)

    def available(self, now: float) -> float:
        """Permits that could be taken at once, in [0, burst]."""
        busy = max(0.0, self.arrival - now)
        return max(0.0, min(float(self.settings.burst), self.settings.burst - busy * self.settings.rate))
