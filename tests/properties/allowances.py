"""Retry budgets as models that have time for the whole of it: nothing runs out but by :meth:`forget`."""

from __future__ import annotations

from seawall.resilience import RetryBudget, RetryThrottle


class Unbounded:
    """No budget."""

    left = 1.0

    def asked(self) -> None:
        """A call that has reached the dependency."""

    def succeeded(self) -> None:
        """An attempt that did."""

    def failed(self) -> None:
        """An attempt that is worth another."""

    def spend(self) -> bool:
        return True

    def forget(self) -> None:
        """All that is counted is older than what counts."""


class Share(Unbounded):
    def __init__(self, settings: RetryBudget) -> None:
        self.ratio, self.floor = settings.ratio, settings.floor_per_second * settings.ttl
        self.forget()

    def asked(self) -> None:
        self.calls += 1

    def spend(self) -> bool:
        if self.spent + 1 > self.ratio * self.calls + self.floor:
            return False
        self.spent += 1
        return True

    def forget(self) -> None:
        self.calls = self.spent = 0

    @property
    def left(self) -> float:  # type: ignore[override]
        if not self.spent:
            return 1.0
        return max(0.0, 1 - self.spent / (self.ratio * self.calls + self.floor))


class Tokens(Unbounded):
    def __init__(self, settings: RetryThrottle) -> None:
        self.most, self.ratio = settings.max_tokens, settings.token_ratio
        self.tokens = float(self.most)

    def succeeded(self) -> None:
        self.tokens = min(self.most, self.tokens + self.ratio)

    def failed(self) -> None:
        self.tokens = max(0.0, self.tokens - 1)

    def spend(self) -> bool:
        return self.tokens > self.most / 2

    @property
    def left(self) -> float:  # type: ignore[override]
        return max(0.0, (self.tokens - self.most / 2) / (self.most / 2))


def allowance(settings: RetryBudget | RetryThrottle | None) -> Unbounded:
    if settings is None:
        return Unbounded()
    return Share(settings) if isinstance(settings, RetryBudget) else Tokens(settings)
