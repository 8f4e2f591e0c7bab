"""Families: a guard for each key, at most so many; the policy document; settings."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import warnings
import weakref
from typing import Any

import pytest
from tests.unit.resilience.families import World, count

from seawall.resilience import (
    Breaker,
    Bulkhead,
    ConfigurationError,
    Fallback,
    Family,
    Guard,
    PolicyWarning,
    Registry,
    Retry,
    Timeout,
)
from seawall.resilience import registry as registries
from seawall.resilience.events import PolicyChanged
from seawall.testing import Recording

# -- members


def test_a_guard_for_each_key_with_its_own_state() -> None:
    w = World(breaker=Breaker(minimum_calls=2), operations=("default", "pay"))
    acme = w.family["acme"]
    assert w.family.get("acme") is acme
    assert acme.name == "partner/acme"
    assert acme.family == "partner"
    assert w.registry.get("partner/acme") is acme
    assert acme.operations == ("default", "pay")
    for _ in range(2):
        w.fail("acme")
    assert acme.state == "open"
    assert w.family["zeta"].state == "closed"
    assert w.names == ["partner/acme", "partner/other", "partner/zeta"]
    assert (len(w.family), list(w.family)) == (2, ["acme", "zeta"])
    assert ("acme" in w.family, "x" in w.family) == (True, False)


def test_the_default_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    family = Registry("t").family("partner")
    assert (family.most, family.idle_for) == (100, 300.0)
    default = Registry("default")
    monkeypatch.setattr(registries, "default_registry", default)
    family = Family("partner")
    assert family.registry is default
    assert default.get("partner/other") is family["other"]


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 193, "\ud800", "a\u2028b"])
def test_a_key_that_makes_no_legal_name_is_served_by_the_other(key: str) -> None:
    w = World()
    assert w.family[key] is w.registry.get("partner/other")
    assert w.family.overflowed == {"illegal": 1}
    assert len(w.family) == 0


def test_other_kinds_of_key() -> None:
    w = World()
    other = w.registry.get("partner/other")
    assert w.family[7] is other  # type: ignore[index]
    assert w.family[["acme"]] is other  # type: ignore[index]
    assert w.family["other"] is other
    assert w.family["x" * 192].name == "partner/" + "x" * 192
    assert w.family.overflowed == {"illegal": 2}
    mine = Guard("partner/mine", registry=w.registry)
    assert w.family["mine"] is other
    assert w.registry.get("partner/mine") is mine
    assert w.family.overflowed == {"illegal": 2, "taken": 1}


def test_what_is_wrong_in_one_error_and_nothing_left_behind() -> None:
    registry = Registry("t")
    with pytest.raises(ConfigurationError) as refused:
        registry.family("partner", most=0, idle_for=0.5, criticality="high")
    assert [problem.partition(" is ")[0] for problem in refused.value.problems] == [
        "Family 'partner'.most",
        "Family 'partner'.idle_for",
        "Guard 'partner/other'.criticality",
    ]
    with pytest.raises(ConfigurationError):
        registry.family("partner", most=10_001)
    for name in (7, "", "a\nb"):
        with pytest.raises(ConfigurationError) as refused:
            registry.family(name)  # type: ignore[arg-type]
        assert refused.value.problems[0] == (
            f"Family {name!r}.name is {name!r}; allowed: 1 to 194 characters, none of them a control "
            "character, line separator or surrogate"
        )
    with pytest.raises(ConfigurationError):
        registry.family("x" * 195)
    assert len(registry) == 0
    assert registry.family("x" * 194).name == "x" * 194
    registry.remove("x" * 194 + "/other")
    assert len(registry) == 0
    Guard("bank", registry=registry)
    with pytest.raises(ConfigurationError, match="guard 'bank' exists already"):
        registry.family("bank")
    registry.family("partner", most=10_000, idle_for=1)
    with pytest.raises(ConfigurationError, match="guard 'partner' exists already"):
        Guard("partner", registry=registry)
    with pytest.raises(ConfigurationError):
        registry.family("partner")
    assert sorted(guard.name for guard in registry) == ["bank", "partner/other"]


# -- the policy document, and other settings


def test_one_entry_in_the_policy_document_whoever_its_members_are() -> None:
    w = World(breaker=Breaker())
    Guard("bank", registry=w.registry)
    before = w.registry.describe()
    assert [part["name"] for part in before["guards"]] == ["bank", "partner"]
    entry = before["guards"][1]
    assert entry["family"] == {"most": 2, "idle_for": 60.0}
    assert list(entry["policies"]) == ["breaker"]
    w.family["a"]
    assert w.registry.describe() == before
    assert w.family["a"].describe() == {k: v for k, v in entry.items() if k != "family"} | {
        "name": "partner/a"
    }
    assert w.family["a"].describe()["hash"] == w.family["other"].describe()["hash"] == entry["hash"]
    other = Registry("t").family("partner", most=3, breaker=Breaker()).describe()
    assert other["hash"] != entry["hash"]


def test_other_settings_for_all_and_for_those_to_come() -> None:
    w = World(breaker=Breaker(minimum_calls=10), timeout=Timeout(total=5.0))
    events = Recording()
    w.registry.subscribe(events)
    w.fail("a")
    before = w.family.describe()["hash"]
    w.family.reconfigure(breaker=Breaker(minimum_calls=2), timeout=None)
    assert w.family.describe()["hash"] == w.family["a"].describe()["hash"] != before
    w.fail("a")
    assert w.family["a"].state == "open"
    for key in ("b", "other"):
        w.fail(key)
        w.fail(key)
        assert w.family[key].state == "open"
    assert [event.dependency for event in events.of(PolicyChanged)] == ["partner/other"]
    told = w.family.describe()
    with pytest.raises(ConfigurationError):
        w.family.reconfigure(bulkhead=Bulkhead(limit=2))
    assert w.family.describe() == told
    with pytest.raises(ConfigurationError) as refused:
        w.family["a"].reconfigure(breaker=Breaker())
    assert refused.value.problems[0] == (
        "Guard 'partner/a': its settings are the family's; allowed: Family.reconfigure"
    )


def test_what_has_no_other_settings_stays_as_it_is() -> None:
    w = World(fallback=Fallback(default=1), breaker=Breaker())
    before = w.family.describe()
    with pytest.raises(ConfigurationError) as refused:
        w.family.reconfigure(breaker=Breaker(open_for=7), fallback=Fallback(default=2))
    assert refused.value.problems == (
        f"Guard 'partner/other'.fallback is {Fallback(default=2)!r}; allowed: None: "
        "a policy of this kind can't be changed",
    )
    assert w.family.describe() == w.family["a"].of.describe() == before  # type: ignore[attr-defined]


def test_what_is_refused_late_has_changed_nobody() -> None:
    w = World(timeout=Timeout(attempt=1.0, total=10.0), retry=Retry(attempts=3, jitter="none"))
    w.family["a"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(PolicyWarning):
            w.family.reconfigure(timeout=Timeout(attempt=1.0, total=2.0))
    found = [w.family[key].timeout for key in ("a", "b", "other")]
    assert found == [Timeout(attempt=1.0, total=10.0)] * 3


def test_who_is_told_of_other_settings_may_ask_for_a_new_key_in_any_thread() -> None:
    w = World(breaker=Breaker())
    found: list[str] = []

    def told(event: Any) -> None:
        thread = threading.Thread(target=lambda: found.append(w.family["new"].name), daemon=True)
        thread.start()
        thread.join(30)
        assert not thread.is_alive()

    w.registry.subscribe(told, events=(PolicyChanged,), name="told")
    w.family.reconfigure(breaker=Breaker(open_for=7))
    assert found == ["partner/new"]
    assert w.registry.listener_errors["told"] == 0


def test_what_does_not_fit_together_is_said_once_for_all() -> None:
    with pytest.warns(PolicyWarning):
        w = World(retry=Retry(budget=None), fallback=Fallback(default=1))
    w.family["a"]
    (said,) = w.registry.lint()
    assert said.startswith("partner: retry.attempts is 3 with no budget and no breaker")


# -- threads and forks


def test_many_threads_ask_for_the_same_new_keys() -> None:
    w = World(most=50)
    barrier = threading.Barrier(8)
    found: list[tuple[Guard, ...]] = []

    def ask() -> None:
        barrier.wait()
        found.append(tuple(w.family[str(key)] for key in range(50)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(w.family) == 50
    # Who finds the key missing, and another thread has built it meanwhile.
    assert w.family._admit("7") is w.family["7"]


def test_a_scrape_does_not_wait_for_a_member_to_come() -> None:
    w = World()
    other = w.registry.get("partner/other")
    assert other is not None
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with w.family._lock:
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(30)
    assert count(other, "calls", "default", "success") == 0
    done.set()
    thread.join()


def test_in_a_forked_child_it_begins_anew() -> None:
    w = World(most=1)
    w.family["a"]
    w.clock.advance(61)
    w.family["b"]
    lock = w.family._lock
    w.registry.restart()
    assert w.family._lock is not lock
    assert w.family._gone == []


# -- memory


def test_nothing_keeps_a_member_that_has_gone() -> None:
    w = World(most=1, breaker=Breaker(), fallback=None)
    with w.family["a"]:
        pass
    gone = weakref.ref(w.family["a"])
    w.clock.advance(61)
    w.family["b"]
    gc.collect()
    assert gone() is None


def test_many_keys_cost_no_more_than_the_bound() -> None:
    w = World(breaker=Breaker(), most=10)

    def ask(start: int) -> None:
        for key in range(start, start + 300):
            w.clock.advance(10)
            w.family[f"tenant-{key}"].call(str)
        gc.collect()

    ask(0)
    tracemalloc.start()
    ask(300)
    before = tracemalloc.get_traced_memory()[0]
    ask(600)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 300_000
    assert len(w.registry) == 11
