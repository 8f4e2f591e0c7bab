"""One guard's part in a retry budget, which may be shared with other guards of its registry by name."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from seawall.resilience.checks import Checks
from seawall.resilience.retry_budget import RetryBudget, RetryBudgetState
from seawall.resilience.retry_throttle import RetryThrottle, RetryThrottleState

if TYPE_CHECKING:
    from seawall.resilience.accounts import Accounts
    from seawall.resilience.deadline import Clock
    from seawall.resilience.registry import Registry


class Pool:
    """A budget, its lock, and the clock that all who share it must go by.

    The lock is one that a signal handler may take again on top of the thread that it interrupted.
    """

    __slots__ = ("clock", "lock", "settings", "state")

    def __init__(self, settings: RetryBudget | RetryThrottle, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.lock = threading.RLock()
        self.state: RetryBudgetState | RetryThrottleState = (
            RetryThrottleState(settings)
            if isinstance(settings, RetryThrottle)
            else RetryBudgetState(settings)
        )


class RetryAccount:
    """Credits the pool with what this guard's ledger has counted since. Caller holds the guard's lock; the
    pool's is taken inside it and held for a few additions."""

    __slots__ = ("_count", "_pool", "_seen")

    def __init__(self, pool: Pool, accounts: Accounts) -> None:
        self._pool = pool
        by_calls = pool.state.earned_by == "calls"
        self._count = accounts.calls_admitted if by_calls else accounts.successes
        self._seen: float = 0

    def roll(self, now: float) -> None:
        with self._pool.lock:
            self._credit(now)

    def failed(self, now: float) -> None:
        """An attempt failed that is worth a retry."""
        with self._pool.lock:
            self._credit(now)
            self._pool.state.failed()

    def spend(self, now: float) -> bool:
        """Take one retry, if there is one left."""
        with self._pool.lock:
            self._credit(now)
            return self._pool.state.spend()

    def remaining_ratio(self, now: float, counted: bool = True) -> float:
        """What is left of the pool, in [0, 1]. ``counted``: whether the ledger may have grown since."""
        with self._pool.lock:
            if counted:
                self._credit(now)
            else:
                self._pool.state.credit(now, 0)
            return self._pool.state.remaining_ratio()

    def reconfigure(self, settings: Any, now: float) -> None:
        """Other settings of the same kind, for a pool that is this guard's alone. The balance stays."""
        pool = self._pool
        with pool.lock:
            self._credit(now)
            pool.settings = settings
            pool.state.reconfigure(settings)

    def draws_on(self, pool: Pool) -> bool:
        return self._pool is pool

    def start_over(self) -> None:
        """What the ledger has by now was counted by others: it earns nothing."""
        self._seen = self._count()

    def restart(self) -> None:
        """In a forked child: the ledger counts from 0 again, and whoever held the lock is not here."""
        self._pool.lock = threading.RLock()
        self._pool.state.clear()
        self._seen = 0

    def _credit(self, now: float) -> None:
        count = self._count()
        self._pool.state.credit(now, count - self._seen)
        self._seen = count


def account_of(
    settings: RetryBudget | RetryThrottle, registry: Registry, clock: Clock, accounts: Accounts
) -> RetryAccount:
    """A guard's account. ``ConfigurationError`` when others share the name with other settings or clock."""
    pool = new = Pool(settings, clock)
    if settings.name is not None:
        pool = registry.retry_budgets.setdefault(settings.name, new)
        other = (pool.settings, pool.clock) != (settings, clock)
        if other and not any(guard.budget and guard.budget.draws_on(pool) for guard in registry):
            # Those of this name were removed, or refused.
            pool = registry.retry_budgets[settings.name] = new
        checks = Checks(type(settings).__name__)
        if pool.settings != settings:
            checks.fail("name", settings.name, f"the settings of the others of this name, {pool.settings}")
        if pool.clock != clock:
            checks.fail("name", settings.name, "the clock of the others of this name")
        checks.done()
    return RetryAccount(pool, accounts)
