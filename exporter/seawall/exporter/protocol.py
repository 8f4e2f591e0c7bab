"""One HTTP connection, with a deadline for each part of it: uvicorn has one for idling only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from seawall.exporter.limits import Limits

Phase = Literal["silent", "handshake", "arriving", "answering", "idle"]

# What strangers send is no reason for lines in a service's log.
_SILENT = logging.getLogger("seawall.exporter.http")
_SILENT.setLevel(logging.CRITICAL + 1)
_SILENT.propagate = False

#: Seconds that uvicorn, which closes idle connections, has to do so.
_GRACE = 5.0
#: Seconds after which a client that has sent nothing is silent; who has something to say says it at once.
_SILENT_AFTER = 0.1
#: Seconds after which a client that leaves its answer unread is slow.
_SLOW_AFTER = 1.0


class TimedProtocol(H11Protocol):
    """Every phase ends by its deadline; a client that is late is cut off. ``lost`` is done in the end.

    ``admits`` is asked once, after the handshake: who is not admitted is not listened to.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        limits: Limits,
        admits: Callable[[asyncio.BaseTransport], bool],
    ) -> None:
        super().__init__(config, server_state, {}, asyncio.get_running_loop())
        self.access_log = False
        self.logger = _SILENT
        self.phase: Phase = "silent"
        self.lost: asyncio.Future[None] = self.loop.create_future()
        self._limits = limits
        self._admits = admits
        self._deadline: asyncio.TimerHandle | None = None
        self._unread_since: float | None = None
        self._came = self.loop.time()

    @property
    def is_silent(self) -> bool:
        return self.phase == "silent" and self.loop.time() - self._came > _SILENT_AFTER

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn: to ask, or to read."""
        if self.phase == "answering":
            return self._unread_since is not None and self.loop.time() - self._unread_since > _SLOW_AFTER
        return self.phase != "idle"

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        # So that `resume_writing` means: nothing is left to write.
        transport.set_write_buffer_limits(high=1, low=0)
        self._enter("arriving", self._limits.headers)
        if not self._admits(transport):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._deadline is not None:
            self._deadline.cancel()
        if not self.lost.done():
            self.lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        try:
            super().data_received(data)
        except h11.LocalProtocolError:
            # Nonsense in the middle of an answer: there is no way to say so.
            self.transport.abort()
        else:
            if self.phase == "idle" and not self._in_request():
                self._enter("arriving", self._limits.headers)

    def handle_events(self) -> None:
        super().handle_events()
        if self._in_request():
            if self.phase != "answering":
                self._enter("answering", self._limits.answer)
            if self.conn.trailing_data[0]:
                # One question at a time: who sends more before the answer gets that one, and no other.
                self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.flow.write_paused:
            self._rest()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread_since is None:
            self._unread_since = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unread_since = None
        if self.phase == "answering" and not self._in_request():
            self._rest()

    def _in_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _rest(self) -> None:
        # A connection that is closing keeps the deadline that it has: what is left must go out by then.
        if not self.transport.is_closing():
            self._enter("idle", self._limits.idle + _GRACE)

    def _enter(self, phase: Phase, seconds: float) -> None:
        self.phase = phase
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        super().send_400_response("Bad Request")

    def _unsupported_upgrade_warning(self) -> None:
        pass
