"""What telemetry shows, and keeps, of guards that are removed or given other settings."""

from __future__ import annotations

import gc
import io
import weakref

from opentelemetry.trace import SpanContext, TraceFlags
from prometheus_client import CollectorRegistry, generate_latest

from seawall.resilience import Breaker, Guard, Registry, Retry
from seawall.resilience.events import CallFailed
from seawall.resilience.ledger import Exemplar
from seawall.telemetry import event_log, failed_calls, logs
from seawall.telemetry.collector import Collector
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.event_log import EventLog
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.source import Source


def fail() -> None:
    raise ConnectionError


def test_a_guard_that_is_removed_leaves_no_series_and_nothing_in_memory() -> None:
    registry = Registry("t")
    Guard("stays", registry=registry, breaker=Breaker())
    source = Source(registry)
    page = MetricsPage(source)
    collected = CollectorRegistry()
    Collector(registry).register(collected)
    guard = Guard("goes", registry=registry, breaker=Breaker(), retry=Retry(attempts=1))
    slot = guard.ledger.layout.at("retries", "default")
    guard.ledger.exemplars[slot] = Exemplar(1.0, 1.0, {"trace_id": "ab" * 16})
    for text in (page.text(), page.openmetrics(), generate_latest(collected)):
        assert b'dependency="goes"' in text
    assert b"ab" * 16 in page.openmetrics()
    registry.remove("goes")
    gone = weakref.ref(guard)
    del guard
    for text in (page.text(), page.openmetrics(), generate_latest(collected)):
        assert b"goes" not in text
        assert b"ab" * 16 not in text
        assert b'dependency="stays"' in text
    gc.collect()
    assert gone() is None


def test_a_guard_of_the_same_name_begins_at_nothing() -> None:
    registry = Registry("t")
    page = MetricsPage(Source(registry))
    Guard("bank", registry=registry, breaker=Breaker()).call(str)
    assert b'seawall_calls_total{dependency="bank",operation="default",outcome="success"} 1' in page.text()
    registry.remove("bank")
    Guard("bank", registry=registry, breaker=Breaker(open_for=5))
    assert b'seawall_calls_total{dependency="bank",operation="default",outcome="success"} 0' in page.text()


def test_members_of_a_family_appear_and_vanish_and_show_one_hash() -> None:
    registry = Registry("t")
    at = [1000.0]
    family = registry.family("partner", most=1, breaker=Breaker(), clock=lambda: at[0])
    page = MetricsPage(Source(registry))
    digest = family.describe()["hash"]
    family["a"].call(str)
    text = page.text().decode()
    for name in ("partner/a", "partner/other"):
        info = f'seawall_policy_info{{dependency="{name}",criticality="default",policy_hash="{digest}"}} 1.0'
        assert info in text
    at[0] += 400
    family["b"].call(str)
    text = page.text().decode()
    assert 'dependency="partner/a"' not in text
    assert 'dependency="partner/b"' in text
    calls = 'seawall_calls_total{dependency="partner/other",operation="default",outcome="success"} 0'
    assert calls in text


def test_the_page_shows_settings_that_were_changed_and_their_hash() -> None:
    registry = Registry("t")
    guard = Guard("bank", registry=registry, breaker=Breaker(open_for=30), retry=Retry())
    page = MetricsPage(Source(registry))
    before = guard.describe()["hash"]
    assert f'policy_hash="{before}"' in page.text().decode()
    guard.reconfigure(breaker=Breaker(open_for=7))
    now = guard.describe()["hash"]
    assert now != before
    for text in (page.text().decode(), page.openmetrics().decode()):
        assert before not in text
        assert f'policy_hash="{now}"' in text
        assert 'seawall_policy_setting{dependency="bank",policy="breaker",setting="open_for"} 7.0' in text


def test_the_log_forgets_allowances_that_are_as_good_as_new() -> None:
    at = [0.0]
    log = EventLog(
        logs.logger("json", stream=io.StringIO()), Dropped(), burst=2, per_second=1.0, clock=lambda: at[0]
    )

    def tell(name: str) -> None:
        log.on_event(
            CallFailed(
                dependency=name, operation="o", number=1, at=0.0, error="E", outcome="failure", attempts=1
            )
        )

    for turn in range(event_log.MOST_KEPT - 1):
        tell(f"partner/{turn}")
    for _ in range(3):
        tell("noisy")
    assert len(log._allowances) == event_log.MOST_KEPT
    at[0] = 0.5
    tell("late")
    assert len(log._allowances) == event_log.MOST_KEPT + 1
    at[0] = 10.0
    tell("later")
    # What was held back of one is still to be told.
    assert [name for _, name in log._allowances] == ["noisy", "later"]


def test_attempts_remembered_for_links_go_with_their_guard() -> None:
    registry = Registry("t")
    context = SpanContext(1, 1, is_remote=False, trace_flags=TraceFlags(1))
    before = len(failed_calls._failed)
    for name in ("a", "b"):
        failed_calls.remember(Guard(name, registry=registry), context)
    assert len(failed_calls._failed) == before + 2
    registry.remove("a")
    gc.collect()
    assert len(failed_calls._failed) == before + 1
