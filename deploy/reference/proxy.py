"""A TCP proxy that makes faults on the wire: between a service and one of its dependencies.

What can go wrong is a `Toxics` value, switched while connections run:

- ``latency`` / ``jitter``: seconds added to every answer (uniformly ``latency`` to ``latency + jitter``);
- ``reset``: share of answers (0 to 1) that end in a TCP reset instead;
- ``bandwidth``: bytes a second, in each direction, per connection;
- ``black_hole``: connections are accepted and nothing comes through until it is switched off (then, as
  TCP would, what was held is delivered);
- ``refused``: nobody listens any more, and open connections are reset.

One process runs any number of proxies and takes orders as JSON lines on a control port::

    python -m reference.proxy --control 19000 bank=18081:28081 mail=18025:28025
    > {"proxy": "bank", "toxics": {"latency": 0.2}}
    < {"ok": true}
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import struct
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from typing import Any

HOST = "127.0.0.1"
CHUNK = 64 * 1024
PAUSE_SECONDS = 0.02
"""Bytes that come after such a pause are another answer, with a fate of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxics:
    """What is wrong with a wire now; by default nothing. Raises ValueError on a number out of range."""

    latency: float = 0.0
    jitter: float = 0.0
    reset: float = 0.0
    bandwidth: float = 0.0
    black_hole: bool = False
    refused: bool = False

    def __post_init__(self) -> None:
        if min(self.latency, self.jitter, self.bandwidth) < 0 or not 0 <= self.reset <= 1:
            raise ValueError(f"latency, jitter and bandwidth must be 0 or more, reset 0 to 1: {self}")


class Proxy:
    """One listening port that leads to one upstream port."""

    def __init__(self, name: str, listen: int, upstream: int, *, dice: random.Random | None = None) -> None:
        self.name = name
        self.listen = listen
        self.upstream = upstream
        self.toxics = Toxics()
        self.connections = 0
        self._dice = dice or random.Random()
        self._server: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen. With port 0 the port that the system chose is in `listen` afterwards."""
        self._server = await asyncio.start_server(self._connected, HOST, self.listen)
        self.listen = self._server.sockets[0].getsockname()[1]

    async def set(self, toxics: Toxics) -> None:
        """Switch to `toxics`, at once and for running connections too."""
        self.toxics = toxics
        if toxics.black_hole:
            self._flowing.clear()
        else:
            self._flowing.set()
        if toxics.refused:
            await self._stop_listening()
        elif self._server is None:
            await self.start()

    async def stop(self) -> None:
        """Stop listening and reset what is connected."""
        await self._stop_listening()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            _reset(writer)
        await asyncio.sleep(0)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._flowing.wait()
            up_reader, up_writer = await asyncio.open_connection(HOST, self.upstream)
        except OSError:
            _reset(writer)
            self._writers.discard(writer)
            return
        self._writers.add(up_writer)
        try:
            await _first_to_end(self._pump(reader, up_writer, False), self._pump(up_reader, writer, True))
        finally:
            for each in (writer, up_writer):
                self._writers.discard(each)
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        """Carry one direction. A queue between reading and writing keeps latency from being bandwidth."""
        line: asyncio.Queue[tuple[float, bytes, bool]] = asyncio.Queue(64)

        async def receive() -> None:
            loop = asyncio.get_running_loop()
            arrived, delay, reset = float("-inf"), 0.0, False
            while data := await reader.read(CHUNK):
                now = loop.time()
                if answers and now - arrived > PAUSE_SECONDS:
                    delay = self.toxics.latency + self._dice.random() * self.toxics.jitter
                    reset = self._dice.random() < self.toxics.reset
                arrived = now
                await line.put((now + delay, data, reset))
            await line.put((0.0, b"", False))

        async def deliver() -> None:
            loop = asyncio.get_running_loop()
            while True:
                due, data, reset = await line.get()
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
                await self._flowing.wait()
                if not data:
                    return
                if reset:
                    _reset(writer)
                    return
                await self._write(writer, data)

        with contextlib.suppress(OSError):
            await _first_to_end(deliver(), receive(), keep_second=True)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        while data:
            rate = self.toxics.bandwidth
            piece = data[: max(1, int(rate / 20))] if rate else data
            data = data[len(piece) :]
            if rate:
                await asyncio.sleep(len(piece) / rate)
            writer.write(piece)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST, not FIN: linger on, for no time."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _first_to_end(
    first: Coroutine[Any, Any, None], second: Coroutine[Any, Any, None], *, keep_second: bool = False
) -> None:
    """Run both until one ends, and cancel the rest; `keep_second`: the end of the second is none."""
    tasks = [asyncio.ensure_future(first), asyncio.ensure_future(second)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if keep_second and tasks[0] not in done and tasks[1].exception() is None:
            done |= (await asyncio.wait(tasks[:1]))[0]
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Control:
    """Orders for the proxies of a process, one JSON object a line."""

    def __init__(self, proxies: list[Proxy]) -> None:
        self._proxies = {proxy.name: proxy for proxy in proxies}

    async def serve(self, port: int) -> asyncio.Server:
        """Listen for orders on `port`."""
        return await asyncio.start_server(self._orders, HOST, port)

    async def _orders(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._obey(line)).encode() + b"\n")
                await writer.drain()
        finally:
            writer.close()

    async def _obey(self, line: bytes) -> dict[str, object]:
        try:
            order = json.loads(line)
            await self._proxies[order["proxy"]].set(Toxics(**order["toxics"]))
        except (ValueError, KeyError, TypeError, OSError) as problem:
            return {"ok": False, "problem": f"{type(problem).__name__}: {problem}"}
        return {"ok": True}


async def switch(control: int, name: str, toxics: Toxics) -> None:
    """Tell the proxy process on port `control` to switch one proxy. Raises RuntimeError when it refuses."""
    reader, writer = await asyncio.open_connection(HOST, control)
    try:
        writer.write(json.dumps({"proxy": name, "toxics": asdict(toxics)}).encode() + b"\n")
        answer = json.loads(await reader.readline())
    finally:
        writer.close()
    if not answer["ok"]:
        raise RuntimeError(f"the proxy {name!r} could not be switched: {answer['problem']}")


async def _run(control: int, routes: list[str]) -> None:
    proxies = []
    for route in routes:
        name, ports = route.split("=")
        listen, upstream = ports.split(":")
        proxies.append(Proxy(name, int(listen), int(upstream)))
    for proxy in proxies:
        await proxy.start()
    server = await Control(proxies).serve(control)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="TCP proxies with faults that can be switched.")
    parser.add_argument("--control", type=int, required=True)
    parser.add_argument("routes", nargs="+", metavar="name=listen:upstream")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(arguments.control, arguments.routes))


if __name__ == "__main__":
    main()
