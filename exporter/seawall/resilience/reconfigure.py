"""Other settings for a guard at run time, without losing what its policies know.

What a guard counts is fixed when it is built: a policy can be neither added nor removed, and neither can a
retry budget. All is checked before anything changes.

==========  ==============================================================================================
what        what stays
==========  ==============================================================================================
breaker     state, epoch, window as far as the new one reaches; what is open stays open as long as it was to
retry       the balance of the budget; a budget that is shared by name can't be changed
timeout     calls that have begun end by the limits that they began with. ``threads`` can't be changed
bulkhead    calls inside and queued; a lower limit holds as soon as enough of them have left
rate_limit  permits that were left: a larger burst fills at the rate. ``kind`` can't be changed
==========  ==============================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from seawall.resilience.checks import Checks
from seawall.resilience.errors import ConfigurationError
from seawall.resilience.events import PolicyChanged
from seawall.resilience.guard_checks import check_guard
from seawall.resilience.lint import look_at
from seawall.resilience.operation import Operation

if TYPE_CHECKING:
    from seawall.resilience.breaker import Breaker
    from seawall.resilience.bulkhead import Bulkhead
    from seawall.resilience.guard import Guard
    from seawall.resilience.rate_limit import RateLimit
    from seawall.resilience.retry import Retry
    from seawall.resilience.timeout import Timeout


def reconfigure(guard: Guard, changes: Mapping[str, Any]) -> None:
    """Replace these policies, by name. :class:`ConfigurationError` names all that is wrong."""
    apply(guard, changes)
    tell(guard, changes)


def tell(guard: Guard, changes: Mapping[str, Any]) -> None:
    """Say that these policies have other settings."""
    facts = {"policies": tuple(changes), "policy_hash": guard.describe()["hash"]}
    guard.report.event(PolicyChanged, "", **facts)


def apply(guard: Guard, changes: Mapping[str, Any]) -> None:
    """Replace them, and tell nobody."""
    with guard.lock:
        check(guard, changes)
        policies = {**guard.policies, **changes}
        look_at(guard, policies)
        guard.policies = policies
        for name, settings in changes.items():
            _APPLY[name](guard, settings)
        _renew_operations(guard)


def _renew_operations(guard: Guard) -> None:
    """Functions that were guarded before hand their calls on to new operations."""
    retired = tuple(guard.declared())
    guard._operations = {op.name: Operation(guard, op.name) for op in retired}
    for op in retired:
        op.retire(partial(guard.operation, op.name))
    guard.shift_lanes()


def check(guard: Guard, changes: Mapping[str, Any]) -> None:
    """Raise one :class:`ConfigurationError` with all that forbids these changes."""
    checks = Checks(f"Guard {guard.name!r}")
    known = {k: settings for k, settings in changes.items() if k in guard.policies and k in _APPLY}
    for name in sorted(changes.keys() - known.keys()):
        new = name not in guard.policies
        why = "that the guard was not built with can't be added" if new else "of this kind can't be changed"
        checks.fail(name, changes[name], f"None: a policy {why}")
    try:
        layout = guard.ledger.layout
        check_guard(guard.name, known, guard.operations, guard.criticality, guard.objectives, layout.bounds)
        _check_kinds(guard, known, checks)
    except ConfigurationError as error:
        checks.problems += error.problems
    checks.done()


def _check_kinds(guard: Guard, changes: Mapping[str, Any], checks: Checks) -> None:
    """What can't become another, though it would be a legal setting."""
    if "rate_limit" in changes:
        checks.one_of("rate_limit.kind", changes["rate_limit"].kind, [guard.policies["rate_limit"].kind])
    if "timeout" in changes:
        threads = guard.policies["timeout"].threads
        if changes["timeout"].threads != threads:
            checks.fail("timeout.threads", changes["timeout"].threads, f"{threads}")
    if "retry" in changes:
        old, new = guard.policies["retry"].budget, changes["retry"].budget
        shared = any(budget is not None and budget.name is not None for budget in (old, new))
        if new != old and (shared or type(new) is not type(old)):
            checks.fail("retry.budget", new, f"{old}, or one of its kind if neither is shared by name")


def _breaker(guard: Guard, settings: Breaker) -> None:
    assert guard.breaker is not None
    guard.breaker.reconfigure(settings, guard.clock(), guard.accounts.lane_successes())
    guard.heed(settings)


def _retry(guard: Guard, settings: Retry) -> None:
    if guard.budget is not None and settings.budget is not None and settings.budget.name is None:
        guard.budget.reconfigure(settings.budget, guard.clock())
    guard.retry = settings


def _timeout(guard: Guard, settings: Timeout) -> None:
    guard.timeout = settings


def _bulkhead(guard: Guard, settings: Bulkhead) -> None:
    assert guard.bulkhead is not None
    guard.bulkhead.reconfigure(settings)


def _rate_limit(guard: Guard, settings: RateLimit) -> None:
    assert guard.limiter is not None
    guard.limiter.reconfigure(settings, guard.clock())


_APPLY: dict[str, Callable[[Guard, Any], None]] = {
    "breaker": _breaker,
    "retry": _retry,
    "timeout": _timeout,
    "bulkhead": _bulkhead,
    "rate_limit": _rate_limit,
}
