"""All times of a campaign, divided by one number: an hour of production passes in two minutes.

Scenarios and policies are written in production's terms; `shortened` makes the policies that run. Rules,
their windows, `for`, `keep_firing_for` and Alertmanager's waits follow `Options.time_factor`.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from seawall.alerts import Options

#: 15 s between two scrapes become half a second.
FACTOR = 30.0
SCRAPE = 15.0
#: Prometheus' own times that rules depend on, in production's seconds: how long a sample counts, how often
#: an alert is sent again, and how old an alert must be to be taken up after a restart.
LOOKBACK, RESEND, GRACE = 300.0, 60.0, 600.0

SECONDS = frozenset(
    {"open_for", "max_open_for", "window_seconds", "half_open_max_wait", "slow_after", "base_delay", "ttl",
     "max_delay", "max_retry_after", "attempt", "total", "max_wait", "throttled_for", "stale_for", "timeout",
     "delay"}
)  # fmt: skip
PER_SECOND = frozenset({"rate", "floor_per_second"})
#: Numbers, shares and names: the same at any pace.
TIMELESS = frozenset(
    {"failure_ratio", "window_calls", "minimum_calls", "consecutive_failures", "open_for_multiplier",
     "open_for_jitter", "half_open_permits", "half_open_success_ratio", "slow_ratio", "mode", "attempts",
     "backoff", "multiplier", "jitter", "ratio", "threads", "limit", "max_queue", "kind", "burst", "capacity",
     "most", "default", "success", "undegraded", "throttled_counts", "name"}
)  # fmt: skip

P = TypeVar("P")


def real(seconds: float) -> float:
    """Seconds of production as they pass here."""
    return seconds / FACTOR


def shortened(policy: P) -> P:
    """The same policy at this pace. `TypeError` for a setting of which nobody said whether it is a time."""
    changes: dict[str, Any] = {}
    for field in fields(policy):  # type: ignore[arg-type]  # a policy is a dataclass
        value = getattr(policy, field.name)
        if is_dataclass(value):
            changes[field.name] = shortened(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if field.name in SECONDS:
                changes[field.name] = value / FACTOR
            elif field.name in PER_SECOND:
                changes[field.name] = value * FACTOR
            elif field.name not in TIMELESS:
                raise TypeError(f"{type(policy).__name__}.{field.name}: is it a time?")
    return replace(policy, **changes)  # type: ignore[type-var]


def options(targets: tuple[str, ...], alertmanager: str, webhook: str) -> Options:
    """Of a bundle at this pace."""
    return Options(
        targets=targets,
        alertmanagers=(alertmanager,),
        webhook_url=webhook,
        scrape_interval=real(SCRAPE),
        evaluation_interval=real(SCRAPE),
        time_factor=1 / FACTOR,
    )
