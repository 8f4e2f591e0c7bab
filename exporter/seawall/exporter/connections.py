"""Who may be connected: accepts no more clients than there are places, and gives places to those who ask."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from seawall.exporter.limits import Limits
from seawall.exporter.protocol import TimedProtocol

#: Seconds until the next try when the system has no file descriptor left.
_BREATH = 0.1
#: Seconds for the end of a TLS connection to be agreed upon.
_TLS_GOODBYE = 0.5
#: Bytes of an answer that the system may hold for a client; beyond it is seen who does not read.
_UNREAD = 128 * 1024
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Connections:
    """All connections of one server; for one event loop. ``tls`` is asked anew for each connection."""

    def __init__(
        self,
        limits: Limits,
        protocol: Callable[[], TimedProtocol],
        tls: Callable[[], ssl.SSLContext | None],
    ) -> None:
        self._limits = limits
        self._protocol = protocol
        self._tls = tls
        # In the order of their coming.
        self._open: dict[TimedProtocol, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def accept(self, listener: socket.socket) -> None:
        """Accept until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(listener)
            except ConnectionError:
                continue
            except OSError:
                await asyncio.sleep(_BREATH)
                continue
            self._admit(connection)
            # A crowd at the door does not keep those inside from being served.
            await asyncio.sleep(0)

    def drop_silent(self) -> None:
        """Cut off whoever is not being answered."""
        for protocol in [p for p in self._open if p.phase in ("silent", "handshake", "arriving")]:
            self._drop(protocol)

    async def close(self) -> None:
        """Cut off everybody."""
        tasks = list(self._open.values())
        for protocol in list(self._open):
            self._drop(protocol)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _admit(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD)
        connection.setblocking(False)
        if len(self._open) >= self._limits.connections and not self._make_room():
            with connection, contextlib.suppress(OSError):
                if self._tls() is None:
                    connection.send(_FULL)
            return
        protocol = self._protocol()
        task = asyncio.get_running_loop().create_task(self._hold(connection, protocol))
        # Also when it is cancelled before its first step.
        task.add_done_callback(lambda _: connection.close())
        self._open[protocol] = task

    def _make_room(self) -> bool:
        silent = (p for p in self._open if p.is_silent)
        waiting = (p for p in self._open if p.waits_for_client)
        idle = (p for p in self._open if p.phase == "idle")
        longest = next(silent, None) or next(waiting, None) or next(idle, None)
        if longest is None:
            return False
        self._drop(longest)
        return True

    def _drop(self, protocol: TimedProtocol) -> None:
        self._open.pop(protocol).cancel()

    async def _hold(self, connection: socket.socket, protocol: TimedProtocol) -> None:
        """From the first byte to the end of the connection."""
        context = self._tls()
        try:
            with contextlib.suppress(OSError):  # no TLS, too late, or gone: nothing that concerns others
                await _heard(connection, self._limits.headers if context is None else self._limits.handshake)
                protocol.phase = "handshake"
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: protocol,
                    connection,
                    ssl=context,
                    ssl_handshake_timeout=self._limits.handshake if context is not None else None,
                    ssl_shutdown_timeout=_TLS_GOODBYE if context is not None else None,
                )
            if protocol.transport is not None:
                await protocol.lost
        finally:
            self._open.pop(protocol, None)
            if protocol.transport is not None:
                protocol.transport.abort()


async def _heard(connection: socket.socket, within: float) -> None:
    """Wait for the first byte. A client that sends none has cost next to nothing, and goes first."""
    loop = asyncio.get_running_loop()
    heard = asyncio.Event()
    try:
        loop.add_reader(connection, heard.set)
    except NotImplementedError:  # an event loop of Windows
        return
    try:
        await asyncio.wait_for(heard.wait(), within)
    finally:
        loop.remove_reader(connection)
