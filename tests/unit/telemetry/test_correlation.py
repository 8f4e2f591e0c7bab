"""The correlation id: what is taken from outside, and where it travels."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from seawall.telemetry import correlation


@pytest.mark.parametrize("text", ["a", "A-b_c.9", "x" * 64])
def test_a_valid_id_is_kept(text: str) -> None:
    assert correlation.accept([text]) == text


@pytest.mark.parametrize(
    "received",
    [
        [],
        [""],
        ["x" * 65],
        ["a b"],
        ["a\r\nX: y"],
        ["a\n"],
        ["\u00e9"],
        ["a\u2028b"],
        ["<script>"],
        ["a", "b"],
    ],
)
def test_anything_else_is_replaced(received: list[str]) -> None:
    made = correlation.accept(received)
    assert made not in received
    assert correlation.valid(made)
    assert correlation.accept(received) != made


def test_it_lasts_for_its_block() -> None:
    assert correlation.current() == ""
    with correlation.using("outer"):
        with correlation.using("inner"):
            assert correlation.current() == "inner"
        assert correlation.current() == "outer"
    assert correlation.current() == ""


def test_an_invalid_id_is_refused() -> None:
    with pytest.raises(ValueError, match="A-Z"), correlation.using("a b"):
        pass


async def test_it_travels_into_tasks_and_threads() -> None:
    async def task() -> str:
        return correlation.current()

    with correlation.using("abc"):
        assert await asyncio.create_task(task()) == "abc"
        assert await asyncio.to_thread(correlation.current) == "abc"


def test_it_is_carried_into_executors() -> None:
    with ThreadPoolExecutor(2) as pool:
        with correlation.using("abc"):
            carried = correlation.carry(correlation.current)
        assert pool.submit(correlation.current).result() == ""
        assert pool.submit(carried).result() == "abc"
        assert [future.result() for future in [pool.submit(carried) for _ in range(8)]] == ["abc"] * 8


def test_a_pool_of_threads_is_given_work_with_it() -> None:
    def both(a: int, *, b: int) -> tuple[str, int]:
        return correlation.current(), a + b

    with ThreadPoolExecutor(1) as pool:
        with correlation.using("abc"):
            future = correlation.submit(pool, both, 1, b=2)
            with correlation.using("other"):
                other = correlation.submit(pool, both, 1, b=3)
        assert (future.result(), other.result()) == (("abc", 3), ("other", 4))
        assert pool.submit(correlation.current).result() == ""


def test_a_block_that_is_ended_from_elsewhere_leaves_its_own_place_alone() -> None:
    block = correlation.using("abc")
    assert copy_context().run(block.__enter__) == "abc"
    with correlation.using("mine"):
        block.__exit__(None, None, None)
        assert correlation.current() == "mine"
