"""The hammer: 100,000 calls by many at once. Counts are exact, limits hold, the numbers add up."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from tests.properties.adds_up import Sums

from seawall.resilience import (
    Breaker,
    BreakerOpen,
    Bulkhead,
    BulkheadFull,
    Guard,
    RateLimit,
    RateLimited,
    Registry,
    Rejected,
    Retry,
    RetryBudget,
    Timeout,
)
from seawall.testing import ManualClock

LIMIT, PERMITS = 5, 3


@pytest.fixture(autouse=True)
def eager_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Inside:
    """Counts who is inside a guarded function, and the most that ever were."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = self.entered = 0

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.entered += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.now -= 1


def in_threads(count: int, work: Callable[[], Counter[str]]) -> Counter[str]:
    """What all of them came to."""
    came: list[Counter[str]] = []
    start = threading.Barrier(count)

    def one() -> None:
        start.wait(30)
        came.append(work())

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(came) == count
    return sum(came, Counter())


def test_envoy_42133_threads_count_exactly_and_stay_in_the_limit() -> None:
    guard = Guard(
        "bank", breaker=Breaker(), bulkhead=Bulkhead(limit=LIMIT), retry=Retry(), registry=Registry("t")
    )
    inside, sums = Inside(), Sums(guard)

    @guard
    def body(i: int) -> None:
        with inside:
            sum(range(i % 50))

    def work() -> Counter[str]:
        came = Counter[str]()
        for i in range(1000):
            try:
                body(i)
                came["accepted"] += 1
            except BulkheadFull:
                came["rejected"] += 1
        return came

    came = in_threads(100, work)
    assert came.total() == 100_000
    assert inside.most <= LIMIT
    assert inside.entered == came["accepted"]
    sums.hold(calls=100_000, attempts=came["accepted"], admitted=came["accepted"])
    assert sums.total("rejections") == came["rejected"]
    assert sums.total("bulkhead_in_flight") == 0


def test_threads_under_every_policy_with_failures_add_up() -> None:
    """Failing, retried, rejected by three policies, the breaker opening and closing all the time."""
    guard = Guard(
        "bank",
        breaker=Breaker(window_calls=20, minimum_calls=5, open_for=0.0001, half_open_permits=PERMITS),
        retry=Retry(attempts=2, base_delay=0, budget=RetryBudget(ratio=0.2)),
        timeout=Timeout(attempt=60.0, total=600.0),
        bulkhead=Bulkhead(limit=LIMIT),
        rate_limit=RateLimit(rate=100_000, burst=1000),
        registry=Registry("t"),
        sleep=lambda _: None,
    )
    inside, sums, tried = Inside(), Sums(guard), threading.local()

    @guard
    def body(i: int) -> None:
        tried.times += 1
        with inside:
            if i % 100 > 90 or i % 5 == 0:
                raise ConnectionError

    def work() -> Counter[str]:
        came = Counter[str]()
        for i in range(300):
            tried.times = 0
            try:
                body(i)
                came["success"] += 1
            except ConnectionError:
                came["failure"] += 1
            except Rejected as error:
                came[error.policy] += 1
            came["admitted"] += tried.times > 0
            came["asked"] += tried.times
        return came

    came = in_threads(50, work)
    calls = sum(came[x] for x in ("success", "failure", "breaker", "bulkhead", "rate_limit"))
    assert calls == 15_000
    assert inside.most <= LIMIT
    assert min(came["success"], came["failure"], came["breaker"]) > 0
    sums.hold(calls=calls, attempts=came["asked"], admitted=came["admitted"])
    assert inside.entered == came["asked"] > came["admitted"]
    assert sums.total("calls", "success") == came["success"]
    assert sums.total("calls", "failure") == came["failure"]
    assert sums.total("calls", "rejected") == calls - came["success"] - came["failure"]
    assert sums.total("bulkhead_in_flight") == 0


def test_tasks_count_exactly_and_stay_in_the_limit() -> None:
    guard = Guard("bank", breaker=Breaker(), bulkhead=Bulkhead(limit=LIMIT), registry=Registry("t"))
    inside, sums, came = Inside(), Sums(guard), Counter[str]()

    @guard
    async def body() -> None:
        with inside:
            await asyncio.sleep(0)

    async def work() -> None:
        for _ in range(100):
            try:
                await body()
                came["accepted"] += 1
            except BulkheadFull:
                came["rejected"] += 1
                await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(work() for _ in range(1000)))

    asyncio.run(main())
    assert came.total() == 100_000
    assert inside.most == LIMIT
    sums.hold(calls=100_000, attempts=came["accepted"], admitted=came["accepted"])
    assert sums.total("rejections") == came["rejected"]


def test_a_rate_limit_hands_out_exactly_its_burst() -> None:
    guard = Guard(
        "bank", rate_limit=RateLimit(rate=1, burst=500), registry=Registry("t"), clock=ManualClock()
    )

    def work() -> Counter[str]:
        came = Counter[str]()
        for _ in range(100):
            try:
                guard.call(int)
                came["granted"] += 1
            except RateLimited:
                came["rejected"] += 1
        return came

    assert in_threads(50, work) == {"granted": 500, "rejected": 4500}


@pytest.mark.parametrize("turn", range(5))
def test_fifty_threads_at_half_open_are_exactly_n_probes(turn: int) -> None:
    clock = ManualClock()
    guard = Guard(
        "bank",
        breaker=Breaker(window_calls=1, minimum_calls=1, open_for=10, half_open_permits=PERMITS),
        registry=Registry("t"),
        clock=clock,
    )
    with pytest.raises(ConnectionError), guard:
        raise ConnectionError
    clock.advance(10)
    release, inside = threading.Event(), Inside()
    refused = threading.Semaphore(0)

    @guard
    def probe() -> None:
        with inside:
            release.wait(30)

    def work() -> Counter[str]:
        try:
            probe()
        except BreakerOpen:
            refused.release()
            return Counter(rejected=1)
        return Counter(accepted=1)

    def let_go() -> None:
        for _ in range(50 - PERMITS):
            refused.acquire(timeout=30)
        release.set()

    waiting = threading.Thread(target=let_go)
    waiting.start()
    assert in_threads(50, work) == {"accepted": PERMITS, "rejected": 50 - PERMITS}
    waiting.join()
    assert inside.most == PERMITS
    assert guard.state == "closed"
