"""Who waits for a place in the bulkhead, who goes first, and who is turned away."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tests.unit.resilience.bench import Bench

from seawall.resilience import Bulkhead, BulkheadFull, ConfigurationError, Timeout, priority


def queue_up(b: Bench, *levels: str | None) -> tuple[list[str], list[Any]]:
    """One call holds the only place; then these arrive in turn. (Order of those served, all results.)"""
    served: list[str] = []

    async def work(name: str) -> str:
        served.append(name)
        await asyncio.sleep(1)
        return name

    async def ask(name: str, level: str | None) -> str:
        if level is None:
            return await b.guard.acall(work, name)
        with priority(level):
            return await b.guard.acall(work, name)

    async def main() -> list[Any]:
        asks = [ask("first", None)]
        asks += [ask(f"{level or 'own'}{i}", level) for i, level in enumerate(levels)]
        return await asyncio.gather(*asks, return_exceptions=True)

    results = b.clock.run(main())
    assert b.count("bulkhead_in_flight") == 0
    assert b.count("bulkhead_queued") == 0
    return served[1:], results[1:]


def test_critical_goes_before_default_before_sheddable() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=9, max_wait=60))
    served, _ = queue_up(b, "sheddable", "default", "critical")
    assert served == ["critical2", "default1", "sheddable0"]


def test_every_fourth_place_goes_to_the_longest_waiting() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=9, max_wait=60))
    served, _ = queue_up(b, "sheddable", *["critical"] * 6)
    assert served == [
        "critical1",
        "critical2",
        "critical3",
        "sheddable0",
        "critical4",
        "critical5",
        "critical6",
    ]


@pytest.mark.parametrize("criticality", ["critical", "sheddable"])
def test_a_call_without_a_priority_has_its_guards_criticality(criticality: str) -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=9, max_wait=60), criticality=criticality)
    served, _ = queue_up(b, "default", None)
    assert served == (["own1", "default0"] if criticality == "critical" else ["default0", "own1"])


def test_a_full_queue_turns_the_newest_of_the_least_important_away() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=3, max_wait=60))
    began = b.clock()
    served, results = queue_up(b, "default", "sheddable", "sheddable", "critical", "sheddable", "default")
    assert served == ["critical3", "default0", "default5"]
    for turned_away in (results[1], results[2], results[4]):
        assert isinstance(turned_away, BulkheadFull)
        assert turned_away.reason == "queue_full"
    assert b.count("rejections", "bulkhead", "queue_full") == 3
    assert b.clock() - began == pytest.approx(4.0)


def test_equals_do_not_displace_each_other() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=60))
    served, results = queue_up(b, "critical", "critical")
    assert served == ["critical0"]
    assert isinstance(results[1], BulkheadFull)


def test_who_waited_too_long_is_told_so_and_leaves_no_trace() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=9, max_wait=0.5))
    served, results = queue_up(b, "sheddable")
    assert served == []
    assert results[0].reason == "wait_exceeded"


def test_a_displaced_thread_is_told_at_once_and_the_other_one_runs() -> None:
    b = Bench("sync", bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=60))
    got: dict[str, Any] = {}
    gone = threading.Event()

    def ask(level: str) -> None:
        try:
            with priority(level):
                got[level] = b.guard.call(lambda: level)
        except BulkheadFull as full:
            got[level] = full.reason
            gone.set()

    def in_a_thread(level: str) -> threading.Thread:
        thread = threading.Thread(target=ask, args=(level,))
        thread.start()
        return thread

    assert b.guard.bulkhead is not None
    with b.guard:
        threads = [in_a_thread("sheddable")]
        while not b.guard.bulkhead.waiters:
            threads[0].join(0.001)
        threads.append(in_a_thread("critical"))
        assert gone.wait(10)
    for thread in threads:
        thread.join(10)
    assert got == {"sheddable": "queue_full", "critical": "critical"}
    assert b.count("bulkhead_in_flight") == 0


def test_a_place_granted_to_a_loop_that_closed_goes_to_the_next() -> None:
    b = Bench("async", bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=60))
    loop = asyncio.new_event_loop()
    with b.guard:
        task = loop.create_task(b.guard.acall(asyncio.sleep, 0))
        loop.run_until_complete(asyncio.sleep(0))
        assert b.count("bulkhead_queued") == 1
        loop.close()
    assert b.count("bulkhead_queued") == 0
    assert b.count("bulkhead_in_flight") == 0
    del task


def test_an_interrupted_thread_leaves_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    from seawall.resilience import drivers

    def interrupted(waiter: object, seconds: float) -> None:
        raise KeyboardInterrupt

    b = Bench("sync", bulkhead=Bulkhead(limit=1, max_queue=5, max_wait=60))
    monkeypatch.setattr(drivers._ThreadWaiter, "wait", interrupted)
    with b.guard:
        assert isinstance(b(lambda: 1), KeyboardInterrupt)
        assert b.count("bulkhead_queued") == 0
    assert b.count("bulkhead_in_flight") == 0


def test_priority_is_one_of_three_and_ends_with_its_block() -> None:
    from seawall.resilience.priorities import rank

    with pytest.raises(ConfigurationError, match="critical, default, sheddable"), priority("urgent"):
        pass
    assert rank("default") == 1
    with priority("sheddable"):
        with priority("critical"):
            assert rank("default") == 0
        assert rank("default") == 2
    assert rank("default") == 1


@pytest.mark.filterwarnings("ignore::seawall.resilience.PolicyWarning")
def test_a_full_queue_is_told_as_such_however_little_time_is_left() -> None:
    b = Bench("sync", bulkhead=Bulkhead(limit=1, max_queue=1, max_wait=60), timeout=Timeout(total=1.0))
    assert b.guard.bulkhead is not None
    with b.guard:
        b.guard.bulkhead.settings = Bulkhead(limit=1)
        assert b(lambda: 1).reason == "full"
    assert b.count("timeouts", "default", "total") == 0


def test_settings_that_can_not_be() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Bulkhead(limit=0, max_queue=-1, max_wait=-1)
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigurationError, match="max_wait"):
        Bulkhead(limit=1, max_queue=1)
