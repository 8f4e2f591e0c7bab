"""Samples that no ledger holds."""

from __future__ import annotations

from seawall.resilience import Breaker, Guard, Registry, Retry
from seawall.telemetry import catalog
from seawall.telemetry.dropped import REASONS, Dropped
from seawall.telemetry.rows import identity_rows, own_rows, policy_rows
from seawall.telemetry.service import Service


def settings(guard: Guard) -> dict[tuple[str, str], float]:
    rows = policy_rows(guard.describe())
    return {(r.labels[1], r.labels[2]): r.value for r in rows if r.series is catalog.POLICY_SETTING}


def test_every_number_of_the_document_is_a_row(full: Guard) -> None:
    found = settings(full)
    assert found["breaker", "open_for"] == 30.0
    assert found["breaker", "minimum_calls"] == 4
    assert found["retry", "attempts"] == 2
    assert found["retry_budget", "ttl"] == 10.0
    assert found["timeout", "total"] == 5.0
    assert found["bulkhead", "limit"] == 3
    assert found["rate_limit", "burst"] == 100
    assert found["fallback", "stale_for"] == 60.0
    assert found["objectives", "success"] == 0.99


def test_what_is_no_number_is_no_row(registry: Registry) -> None:
    guard = registry.guard("db", breaker=Breaker(slow_after=None), retry=Retry(budget=None))
    found = settings(guard)
    assert ("breaker", "slow_after") not in found
    assert ("breaker", "record") not in found
    assert not any(policy == "retry_budget" for policy, _ in found)
    assert not any(policy == "objectives" for policy, _ in found)


def test_identity_of_a_guard(full: Guard) -> None:
    info = [r for r in policy_rows(full.describe()) if r.series is catalog.POLICY_INFO]
    assert [r.labels for r in info] == [("bank-api", "critical", full.describe()["hash"])]


def test_identity_of_the_service() -> None:
    build, target = identity_rows(Service(name="shop", version="7", instance_id="a"))
    assert build.series is catalog.BUILD_INFO
    assert dict(zip(target.series.labels, target.labels, strict=True)) == {
        "service_name": "shop",
        "service_version": "7",
        "service_instance_id": "a",
    }
    assert [row.series for row in identity_rows(None)] == [catalog.BUILD_INFO]


def test_the_resource_says_the_same_as_the_labels() -> None:
    attributes = Service(name="shop", version="7", instance_id="a").resource().attributes
    assert attributes["service.name"] == "shop"
    assert attributes["service.version"] == "7"
    assert attributes["service.instance.id"] == "a"
    assert "service.version" not in Service(name="shop").resource().attributes


def test_every_reason_exists_before_anything_is_lost() -> None:
    dropped = Dropped()
    rows = own_rows(dropped.counts(), {"audit": 2})
    lost = {row.labels: row.value for row in rows if row.series is catalog.TELEMETRY_DROPPED}
    assert lost == dict.fromkeys(REASONS, 0)
    assert [(r.labels, r.value) for r in rows if r.series is catalog.LISTENER_ERRORS] == [(("audit",), 2)]
