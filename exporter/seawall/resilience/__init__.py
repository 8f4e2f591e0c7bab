"""The core: policies, guards, registry, and the ledger they write. Standard library only.

from seawall.resilience import Breaker, Fallback, Guard, Retry, Timeout

bank = Guard("bank-api", breaker=Breaker(), retry=Retry(), timeout=Timeout(attempt=1.0, total=3.0))

@bank
async def statements(account: str) -> list[dict]: ...

Beside one guard: ``Registry`` (all of a service), ``Pipeline`` (policies in another order), ``Family`` (a
guard for each key). Inside a guarded call: ``remaining()``, seconds until its deadline. Around it:
``priority()``.
"""

from seawall.resilience.breaker import Breaker
from seawall.resilience.bulkhead import Bulkhead
from seawall.resilience.coalesce import Coalesce
from seawall.resilience.deadline import remaining
from seawall.resilience.description import Objectives
from seawall.resilience.errors import (
    BreakerOpen,
    BulkheadFull,
    ConfigurationError,
    RateLimited,
    Rejected,
    ResilienceError,
    RetryBudgetExhausted,
    ThreadsBusy,
    TimedOut,
)
from seawall.resilience.fallback import Fallback
from seawall.resilience.family import Family
from seawall.resilience.guard import Guard
from seawall.resilience.hedge import Hedge
from seawall.resilience.lint import PolicyWarning
from seawall.resilience.pipeline import Pipeline
from seawall.resilience.priorities import priority
from seawall.resilience.rate_limit import RateLimit
from seawall.resilience.registry import Registry
from seawall.resilience.retry import Retry, RetryRule
from seawall.resilience.retry_budget import RetryBudget
from seawall.resilience.retry_throttle import RetryThrottle
from seawall.resilience.timeout import Timeout

__all__ = [
    "Breaker",
    "BreakerOpen",
    "Bulkhead",
    "BulkheadFull",
    "Coalesce",
    "ConfigurationError",
    "Fallback",
    "Family",
    "Guard",
    "Hedge",
    "Objectives",
    "Pipeline",
    "PolicyWarning",
    "RateLimit",
    "RateLimited",
    "Registry",
    "Rejected",
    "ResilienceError",
    "Retry",
    "RetryBudget",
    "RetryBudgetExhausted",
    "RetryRule",
    "RetryThrottle",
    "ThreadsBusy",
    "TimedOut",
    "Timeout",
    "priority",
    "remaining",
]
