"""Validation of what a guard is built from."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from math import inf
from typing import Any

from seawall.resilience.breaker import Breaker
from seawall.resilience.bulkhead import Bulkhead
from seawall.resilience.checks import Checks
from seawall.resilience.coalesce import Coalesce
from seawall.resilience.description import Objectives
from seawall.resilience.fallback import Fallback
from seawall.resilience.hedge import Hedge
from seawall.resilience.priorities import PRIORITIES
from seawall.resilience.rate_limit import RateLimit
from seawall.resilience.retry import Retry
from seawall.resilience.timeout import Timeout

#: What the characters of a name may be.
LEGAL = "characters, none of them a control character, line separator or surrogate"
_OPERATION = re.compile(r"[A-Za-z0-9_.-]{1,64}")
POLICIES: dict[str, type] = {
    "breaker": Breaker,
    "retry": Retry,
    "timeout": Timeout,
    "bulkhead": Bulkhead,
    "rate_limit": RateLimit,
    "fallback": Fallback,
    "hedge": Hedge,
    "coalesce": Coalesce,
}


def legal_name(name: object) -> bool:
    """Whether a guard may have this name."""
    right = isinstance(name, str) and 1 <= len(name) <= 200
    return right and not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in str(name))


def check_guard(
    name: object,
    policies: dict[str, Any],
    operations: Sequence[str],
    criticality: str,
    objectives: object,
    buckets: Sequence[float],
) -> None:
    """Raise one :class:`ConfigurationError` with all that is wrong."""
    checks = Checks(f"Guard {name!r}")
    if not legal_name(name):
        checks.fail("name", name, f"1 to 200 {LEGAL}")
    for key, policy in policies.items():
        if not isinstance(policy, POLICIES[key]):
            checks.fail(key, policy, f"a {POLICIES[key].__name__}, or None")
    if isinstance(operations, str):
        checks.fail("operations", operations, "a list of names")
        operations = ()
    for operation in operations:
        if not isinstance(operation, str) or not _OPERATION.fullmatch(operation):
            checks.fail("operations", operation, "[A-Za-z0-9_.-], 1 to 64 characters")
    if len(set(operations)) != len(operations):
        checks.fail("operations", tuple(operations), "each name once")
    retry = policies.get("retry")
    if isinstance(retry, Retry):
        for unknown in set(retry.idempotent or ()) - set(operations or ("default",)):
            checks.fail("retry.idempotent", unknown, ", ".join(operations) or "default")
    hedge = policies.get("hedge")
    if isinstance(hedge, Hedge):
        for unknown in set(hedge.operations or ()) - set(operations or ("default",)):
            checks.fail("hedge.operations", unknown, ", ".join(operations) or "default")
    timeout = policies.get("timeout")
    if isinstance(timeout, Timeout):
        for unknown in set(timeout.by_operation) - set(operations or ("default",)):
            checks.fail("timeout.by_operation", unknown, ", ".join(operations) or "default")
    checks.one_of("criticality", criticality, PRIORITIES)
    if objectives is not None and not isinstance(objectives, Objectives):
        checks.fail("objectives", objectives, "an Objectives, or None")
    ascending = len(buckets) > 0 and all(a < b for a, b in pairwise(buckets))
    if not ascending or not all(isinstance(b, int | float) and 0 < b < inf for b in buckets):
        checks.fail("buckets", tuple(buckets), "ascending numbers of seconds above 0")
    checks.done()
