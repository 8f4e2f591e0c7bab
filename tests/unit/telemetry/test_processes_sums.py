"""Several processes on one page: what each number means."""

from __future__ import annotations

import itertools
from math import fsum
from pathlib import Path

import pytest
from tests.unit.telemetry.workers import Scraper, Worker, fallen, parsed, value

from seawall.resilience import Breaker, Bulkhead, Fallback, RateLimit, Registry, Retry, Timeout
from seawall.resilience.events import PolicyChanged
from seawall.telemetry.processes.shapes import onto, signature, union
from seawall.telemetry.processes.shares import exact
from seawall.telemetry.service import Service
from seawall.testing import ManualClock


def test_counters_add_up_and_a_page_of_any_worker_is_that_of_all(tmp_path: Path) -> None:
    one, two = Worker(tmp_path), Worker(tmp_path)
    one.call(3)
    two.call(4)
    two.fail(times=2)
    one.sharing.publish()
    two.sharing.publish()
    for scraper in (Scraper(tmp_path), Scraper(tmp_path, one), Scraper(tmp_path, two)):
        totals = scraper.scrape()
        assert scraper.calls() == 7
        assert scraper.calls("failure") == 2
        assert value(totals, "seawall_errors_total", dependency="bank", error="ValueError") == 2
        assert (
            value(totals, "seawall_call_duration_seconds_count", dependency="bank", operation="default") == 9
        )
        assert (
            value(
                totals,
                "seawall_call_duration_seconds_bucket",
                dependency="bank",
                operation="default",
                le="+Inf",
            )
            == 9
        )
        assert value(totals, "seawall_breaker_window_calls", dependency="bank") == 9
        assert value(totals, "seawall_breaker_processes", dependency="bank", state="closed") == 2
        assert scraper.lost() == 0


def test_the_state_is_the_worst_and_how_many_are_in_which(tmp_path: Path) -> None:
    workers = [Worker(tmp_path) for _ in range(3)]
    workers[0].guard.force("metrics_only")
    workers[1].guard.force("forced_open")
    totals = Scraper(tmp_path).scrape()

    def of(series: str) -> dict[str, float]:
        return {dict(labels)["state"]: n for (name, labels), n in totals.items() if name == series and n}

    assert of("seawall_breaker_state") == {"forced_open": 1}
    assert of("seawall_breaker_processes") == {"closed": 1, "metrics_only": 1, "forced_open": 1}
    workers[1].die()
    totals = Scraper(tmp_path).scrape()
    assert of("seawall_breaker_state") == {"metrics_only": 1}
    assert of("seawall_breaker_processes") == {"closed": 1, "metrics_only": 1}


def test_gauges_are_of_living_processes_each_by_its_meaning(tmp_path: Path) -> None:
    settings = {
        "breaker": Breaker(minimum_calls=100),
        "retry": Retry(attempts=2, base_delay=0.001),
        "bulkhead": Bulkhead(limit=3),
        "rate_limit": RateLimit(rate=0.001, burst=100),
        "clock": ManualClock(),
    }
    one, two = Worker(tmp_path, **settings), Worker(tmp_path, **settings)
    one.call(3)
    two.call(1)
    one.fail()
    with one.guard, two.guard:
        one.sharing.publish()
        two.sharing.publish()
        totals = Scraper(tmp_path).scrape()
    assert value(totals, "seawall_bulkhead_in_flight", dependency="bank") == 2
    assert value(totals, "seawall_breaker_failure_ratio", dependency="bank") == 0.4
    assert value(totals, "seawall_rate_limiter_available_permits", dependency="bank") == 192
    assert 0.9 < value(totals, "seawall_retry_budget_remaining_ratio", dependency="bank") < 0.95
    for worker in (one, two):
        worker.die()
    totals = Scraper(tmp_path).scrape()
    for gauge in ("bulkhead_in_flight", "breaker_failure_ratio", "rate_limiter_available_permits"):
        assert value(totals, f"seawall_{gauge}", dependency="bank") == 0


def test_errors_are_added_by_name_whatever_each_worker_saw_first(tmp_path: Path) -> None:
    one, two = Worker(tmp_path), Worker(tmp_path)
    one.fail(ValueError, 1)
    one.fail(KeyError, 2)
    two.fail(KeyError, 4)
    two.fail(ValueError, 8)
    two.fail(OSError, 16)

    def errors() -> dict[str, float]:
        totals = Scraper(tmp_path).scrape()
        return {dict(k)["error"]: n for (name, k), n in totals.items() if name == "seawall_errors_total"}

    expected = {"ValueError": 9, "KeyError": 6, "OSError": 16, "other": 0}
    assert errors() == expected
    two.die()
    assert errors() == expected
    one.die()
    assert errors() == expected


def test_error_types_beyond_twenty_are_other(tmp_path: Path) -> None:
    one, two = Worker(tmp_path), Worker(tmp_path)
    kinds = [type(f"Error{i:02}", (Exception,), {}) for i in range(25)]
    for kind in kinds[:15]:
        one.fail(kind)
    for kind in kinds[10:]:
        two.fail(kind)
    totals = Scraper(tmp_path).scrape()
    found = {dict(k)["error"]: n for (name, k), n in totals.items() if name == "seawall_errors_total"}
    assert len(found) == 21
    assert sum(found.values()) == 30
    assert found["other"] == 5


def test_telemetrys_own_counters_are_those_of_all_processes(tmp_path: Path) -> None:
    one, two = Worker(tmp_path), Worker(tmp_path)
    one.dropped.add("spans", "queue_full", 5)
    two.dropped.add("spans", "queue_full", 2)

    def complain(event: object) -> None:
        raise ValueError

    two.registry.subscribe(complain, name="mine", events=(PolicyChanged,))
    two.guard.reconfigure(retry=Retry(attempts=2))
    one.sharing.publish()
    two.sharing.publish()

    def own(scraper: Scraper) -> tuple[float, float]:
        totals = scraper.scrape()
        dropped = value(totals, "seawall_telemetry_dropped_total", signal="spans", reason="queue_full")
        return dropped, value(totals, "seawall_listener_errors_total", listener="mine")

    for _ in range(2):
        assert [own(Scraper(tmp_path, who)) for who in (None, one, two)] == [(7, 1)] * 3
    one.dropped.add("spans", "queue_full")
    assert own(Scraper(tmp_path, one)) == (8, 1)
    two.die()
    assert [own(Scraper(tmp_path, who)) for who in (None, one)] == [(8, 1)] * 2


def test_a_sum_of_seconds_is_the_same_in_every_order() -> None:
    numbers = [0.1, 1e16, 0.7, 3.3, 1e-9]
    assert {fsum(exact(order)) for order in itertools.permutations(numbers)} == {fsum(numbers)}
    for some in range(6):
        parts = [*exact(numbers[:some]), *exact(numbers[some:])]
        assert fsum(parts) == fsum(numbers)
    assert exact([]) == exact([0.0, 0.0]) == []


def test_no_sum_of_seconds_falls_when_workers_end_in_any_order(tmp_path: Path) -> None:
    workers = [Worker(tmp_path) for _ in range(6)]
    for worker in workers:
        worker.call(50)
    before = Scraper(tmp_path).scrape()
    for worker in (workers[i] for i in (3, 0, 5, 1, 2, 4)):
        worker.die()
        after = Scraper(tmp_path).scrape()
        assert fallen(before, after) == {}
        assert value(
            after, "seawall_call_duration_seconds_sum", dependency="bank", operation="default"
        ) == value(before, "seawall_call_duration_seconds_sum", dependency="bank", operation="default")
        before = after


def test_guards_of_two_deployments_are_one_with_all_series_of_both(tmp_path: Path) -> None:
    old = Worker(tmp_path, breaker=Breaker(), retry=Retry(attempts=1), operations=("read", "write"))
    new = Worker(
        tmp_path,
        breaker=Breaker(),
        timeout=Timeout(attempt=1.0),
        operations=("read", "list"),
        buckets=(0.1, 60),
    )
    old.guard.operation("read").call(int)
    old.guard.operation("write").call(int)
    new.guard.operation("read").call(int)
    with pytest.raises(ValueError, match="x"):
        old.guard.operation("read").call(int, "x")
    before = Scraper(tmp_path).scrape()
    calls = {
        dict(k)["operation"]: n
        for (name, k), n in before.items()
        if name == "seawall_calls_total" and dict(k)["outcome"] == "success"
    }
    assert calls == {"read": 2, "write": 1, "list": 0}
    assert value(before, "seawall_call_duration_seconds_count", dependency="bank", operation="read") == 3
    assert value(before, "seawall_errors_total", dependency="bank", error="ValueError") == 1
    assert value(before, "seawall_timeouts_total", dependency="bank", operation="list", scope="attempt") == 0
    assert (
        value(before, "seawall_retry_calls_total", dependency="bank", operation="write", result="first_try")
        == 1
    )
    old.die()
    after = Scraper(tmp_path).scrape()
    assert [key for key in fallen(before, after) if "_bucket" not in key[0]] == []


def test_a_bucket_that_is_not_there_goes_on_in_the_next_larger() -> None:
    registry = Registry("a")
    fine = registry.guard("fine", buckets=(1.0, 2.0, 5.0)).ledger.layout
    coarse = registry.guard("coarse", buckets=(2.0, 3.0)).ledger.layout
    at, into = fine.at("call_duration", "default"), coarse.at("call_duration", "default")
    assert onto(fine, coarse)[at : at + 5] == (into, into, into + 2, into + 2, into + 3)
    assert union((coarse, fine)) is coarse
    assert signature(fine) != signature(coarse)


def test_a_union_has_the_ages_of_those_that_serve_stale_values() -> None:
    registry = Registry("a")
    plain = registry.guard("plain", fallback=Fallback(default=1)).ledger.layout
    stale = registry.guard("stale", fallback=Fallback(stale_for=7.0)).ledger.layout
    both = union((plain, stale))
    assert both.spec[4] == 7.0
    assert both.entry("stale_age").bounds == stale.entry("stale_age").bounds
    assert both.has("degradations", "default", "default", "served")
    assert both.has("degradations", "default", "stale", "served")


def test_one_identity_whichever_process_is_asked(tmp_path: Path) -> None:
    one, two = Worker(tmp_path), Worker(tmp_path)
    sources = []
    for worker in (one, two):
        scraper = Scraper(tmp_path, worker)
        source = type(scraper.source)(
            tmp_path, worker.registry, sharing=worker.sharing, service=Service(name="shop")
        )
        sources.append(source.identity)
    assert sources[0] == sources[1]


def test_exemplars_are_those_of_the_process_that_is_asked(tmp_path: Path) -> None:
    from seawall.resilience.ledger import Exemplar

    one, two = Worker(tmp_path), Worker(tmp_path)
    one.fail()
    two.fail()
    slot = one.guard.ledger.layout.at("calls", "default", "failure")
    one.guard.ledger.exemplars[slot] = Exemplar(1.0, 1700000000.0, {"trace_id": "ab"})
    line = 'seawall_calls_total{dependency="bank",operation="default",outcome="failure"} 2.0'
    assert (
        f'{line} # {{trace_id="ab"}} 1.0 1700000000.000\n'
        in Scraper(tmp_path, one).page.openmetrics().decode()
    )
    for other in (Scraper(tmp_path, two), Scraper(tmp_path)):
        assert f"{line}\n" in other.page.openmetrics().decode()


def test_a_page_parses_and_says_the_policies_of_the_youngest(tmp_path: Path) -> None:
    Worker(tmp_path, breaker=Breaker(minimum_calls=7))
    Worker(tmp_path, breaker=Breaker(minimum_calls=8))
    totals = parsed(Scraper(tmp_path).page.text().decode())
    setting = value(
        totals, "seawall_policy_setting", dependency="bank", policy="breaker", setting="minimum_calls"
    )
    assert setting == 8


def test_dropped_counts_are_kept_while_the_set_of_listeners_grows(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    worker.dropped.add("logs", "write_failed", 3)
    scraper = Scraper(tmp_path)
    for name in ("a", "b"):
        worker.registry.subscribe(lambda event: None, name=name)
        worker.sharing.publish()
        dropped = {"signal": "logs", "reason": "write_failed"}
        totals = scraper.scrape()
        assert value(totals, "seawall_telemetry_dropped_total", **dropped) == 3
        assert value(totals, "seawall_listener_errors_total", listener=name) == 0
