"""The proxy's faults, seen by a client on a real socket. A fault takes the time that it takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator

import pytest

from reference.proxy import HOST, Control, Proxy, Toxics, switch


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    upstream = await asyncio.start_server(echo, HOST, 0)
    proxy = Proxy("echo", 0, upstream.sockets[0].getsockname()[1], dice=random.Random(1))
    await proxy.start()
    yield proxy
    await proxy.stop()
    upstream.close()


async def ask(proxy: Proxy, question: bytes = b"hello") -> bytes:
    reader, writer = await asyncio.open_connection(HOST, proxy.listen)
    try:
        writer.write(question)
        return await reader.readexactly(len(question))
    finally:
        writer.close()


async def test_a_healthy_wire_carries_everything_unchanged(proxy: Proxy) -> None:
    question = random.Random(2).randbytes(300_000)
    assert await ask(proxy, question) == question


async def test_latency_delays_the_answer_by_at_least_that_much(proxy: Proxy) -> None:
    await proxy.set(Toxics(latency=0.05))
    began = asyncio.get_running_loop().time()
    assert await ask(proxy) == b"hello"
    assert asyncio.get_running_loop().time() - began >= 0.05


async def test_latency_is_no_bandwidth(proxy: Proxy) -> None:
    await proxy.set(Toxics(latency=0.05))
    question = bytes(2_000_000)
    began = asyncio.get_running_loop().time()
    assert await ask(proxy, question) == question
    # 2 MB are at least 30 pieces of 64 KB; were each to wait for the one before, it would take 1.5 s.
    assert asyncio.get_running_loop().time() - began < 1.0


async def test_bandwidth_bounds_what_comes_through(proxy: Proxy) -> None:
    await proxy.set(Toxics(bandwidth=100_000))
    began = asyncio.get_running_loop().time()
    await ask(proxy, bytes(10_000))
    assert asyncio.get_running_loop().time() - began >= 0.1


async def test_reset_ends_the_answer_with_a_reset(proxy: Proxy) -> None:
    await proxy.set(Toxics(reset=1.0))
    with pytest.raises(ConnectionResetError):
        await ask(proxy)


async def test_reset_is_drawn_for_each_answer(proxy: Proxy) -> None:
    await proxy.set(Toxics(reset=0.5))
    answers = await asyncio.gather(*(ask(proxy) for _ in range(40)), return_exceptions=True)
    good = [answer for answer in answers if answer == b"hello"]
    assert 5 < len(good) < 35
    assert all(isinstance(answer, bytes | ConnectionResetError) for answer in answers)


async def test_refused_refuses_new_and_resets_open_connections(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection(HOST, proxy.listen)
    writer.write(b"x")
    await reader.readexactly(1)
    await proxy.set(Toxics(refused=True))
    with pytest.raises(ConnectionResetError):
        await reader.readexactly(1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(HOST, proxy.listen)
    await proxy.set(Toxics())
    assert await ask(proxy) == b"hello"


async def test_a_black_hole_accepts_and_says_nothing_until_it_ends(proxy: Proxy) -> None:
    await proxy.set(Toxics(black_hole=True))
    reader, writer = await asyncio.open_connection(HOST, proxy.listen)
    writer.write(b"hello")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(5), 0.05)
    await proxy.set(Toxics())
    assert await reader.readexactly(5) == b"hello"
    writer.close()


async def test_a_black_hole_swallows_what_an_open_connection_sends(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection(HOST, proxy.listen)
    writer.write(b"before")
    assert await reader.readexactly(6) == b"before"
    await proxy.set(Toxics(black_hole=True))
    writer.write(b"after")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(1), 0.05)
    writer.close()


async def test_an_upstream_that_is_not_there_is_a_reset() -> None:
    free = await asyncio.start_server(echo, HOST, 0)
    port = free.sockets[0].getsockname()[1]
    free.close()
    proxy = Proxy("nobody", 0, port)
    await proxy.start()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await ask(proxy)
    await proxy.stop()


async def test_orders_by_control_port(proxy: Proxy) -> None:
    server = await Control([proxy]).serve(0)
    port = server.sockets[0].getsockname()[1]
    await switch(port, "echo", Toxics(latency=0.25, reset=0.5))
    assert proxy.toxics == Toxics(latency=0.25, reset=0.5)
    with pytest.raises(RuntimeError, match="nobody"):
        await switch(port, "nobody", Toxics())
    server.close()


@pytest.mark.parametrize(
    "order",
    [b"no json", b"[]", b"{}", b'{"proxy": "echo", "toxics": {"poison": 1}}'],
)
async def test_a_wrong_order_is_answered_and_changes_nothing(proxy: Proxy, order: bytes) -> None:
    server = await Control([proxy]).serve(0)
    reader, writer = await asyncio.open_connection(HOST, server.sockets[0].getsockname()[1])
    writer.write(order + b"\n")
    answer = json.loads(await reader.readline())
    assert answer["ok"] is False
    assert proxy.toxics == Toxics()
    writer.close()
    server.close()


@pytest.mark.parametrize("wrong", [{"latency": -1.0}, {"reset": 1.5}, {"bandwidth": -1.0}])
def test_toxics_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Toxics(**wrong)  # type: ignore[arg-type]
