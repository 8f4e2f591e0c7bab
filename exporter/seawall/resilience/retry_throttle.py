"""Retry throttling as gRPC does it (gRFC A6): tokens that failures take and successes bring back slowly."""

from __future__ import annotations

from dataclasses import dataclass, field

from seawall.resilience.checks import Checks


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryThrottle:
    """Retry while more than half of the tokens are left: an alternative to RetryBudget that knows no time.

    max_tokens: tokens at the start and at most, 1 to 1,000. A failed attempt that is worth a retry takes one.
        10 as in gRFC A6: five failures in a row end all retries.
    token_ratio: tokens that a success brings back, above 0, at most ``max_tokens``. 0.1 as in gRFC A6: in the
        long run one failure in eleven attempts may be retried.
    name: guards of one registry whose throttles have the same name share one. None: each guard has its own.
    """

    max_tokens: int = 10
    token_ratio: float = 0.1
    name: str | None = None

    def __post_init__(self) -> None:
        checks = Checks("RetryThrottle")
        most = checks.number("max_tokens", self.max_tokens, at_least=1, at_most=1_000, whole=True)
        checks.number("token_ratio", self.token_ratio, above=0, at_most=self.max_tokens if most else 1_000)
        checks.name("name", self.name)
        checks.done()

    def describe(self) -> dict[str, object]:
        return {"max_tokens": self.max_tokens, "token_ratio": self.token_ratio, "name": self.name}


@dataclass(slots=True)
class RetryThrottleState:
    """``tokens`` in [0, max_tokens]. Caller holds the lock of the throttle."""

    settings: RetryThrottle
    earned_by: str = "successes"
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.clear()

    def credit(self, now: float, successes: float) -> None:
        """Between two failures the order of successes is all one: they only fill up."""
        self.tokens = min(
            float(self.settings.max_tokens), self.tokens + successes * self.settings.token_ratio
        )

    def failed(self) -> None:
        """An attempt failed that is worth a retry, whether one follows or not."""
        self.tokens = max(0.0, self.tokens - 1)

    def spend(self) -> bool:
        """Whether a retry may follow. It costs nothing: its failure will."""
        return self.tokens > self.settings.max_tokens / 2

    def remaining_ratio(self) -> float:
        """What is left, in [0, 1], of the half that retries may use up."""
        half = self.settings.max_tokens / 2
        return max(0.0, (self.tokens - half) / half)

    def reconfigure(self, settings: RetryThrottle) -> None:
        """Other settings; the bucket stays as full as it was, in parts of the whole."""
        self.tokens *= settings.max_tokens / self.settings.max_tokens
        self.settings = settings

    def clear(self) -> None:
        self.tokens = float(self.settings.max_tokens)
