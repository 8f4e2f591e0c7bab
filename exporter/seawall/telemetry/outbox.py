"""What telemetry sends away waits here: bounded, never in a caller's way, every loss counted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from seawall.telemetry.dropped import Dropped
from seawall.telemetry.worker import InTurns, Worker, done_by

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """Under which reasons of `dropped.REASONS` the losses of a signal are counted."""

    signal: str
    full: str = "queue_full"
    failed: str = "export_failed"
    ended: str = "shutdown"


class Outbox(Generic[T]):
    """Hands items to ``send`` in their order, at most ``batch`` at once, at least every ``interval`` seconds
    and as soon as ``wake_at`` wait (by default a batch).

    At most ``capacity`` items wait; one that finds it full is dropped. ``send`` gives the number that did
    not go out.
    """

    def __init__(
        self,
        reasons: Reasons,
        send: Callable[[list[T]], int],
        close: Callable[[], object],
        dropped: Dropped,
        *,
        capacity: int,
        batch: int,
        interval: float,
        wake_at: int | None = None,
        name: str = "",
    ) -> None:
        self._reasons = reasons
        self._name = f"seawall-{name or reasons.signal}"
        self._send = send
        self._close = close
        self._dropped = dropped
        self._capacity = capacity
        self._batch = batch
        self._wake_at = wake_at if wake_at is not None else batch
        self._queue: deque[T] = deque()
        self._on_its_way = 0
        self._worker = Worker(self._name, self._drain, interval=interval, forked=self._forget)

    def start(self) -> None:
        self._worker.start()

    def put(self, item: T) -> None:
        """Take it, or drop and count it. Never waits."""
        if self._worker.ending:
            self._lost(self._reasons.ended)
        elif len(self._queue) >= self._capacity:
            self._lost(self._reasons.full)
        else:
            self._queue.append(item)
            if len(self._queue) >= self._wake_at:
                self._worker.wake()

    def flush(self, timeout: float) -> bool:
        """Wait until what is queued was handed over, for ``timeout`` seconds at most."""
        return self._worker.wait_idle(lambda: not self._queue, timeout)

    def ask_to_end(self) -> None:
        """Take nothing more, hand over what is there. Returns at once; `end` is to follow."""
        self._worker.ask_to_end()

    def end(self, until: float) -> bool:
        """Return at that time of the monotonic clock at the latest. What is not handed over then is dropped.

        Whether everything was handed over in time.
        """
        in_time = self._worker.ended(until)
        # What is on its way may still arrive. That nobody knows is a loss too.
        left, self._on_its_way = len(self._queue) + self._on_its_way, 0
        self._queue.clear()
        if left:
            self._lost(self._reasons.ended, left)
        done_by(until, self._close, f"{self._name}-close")
        return in_time

    def stop(self, deadline: float) -> bool:
        """`ask_to_end` and `end`, within ``deadline`` seconds. The second time nothing happens."""
        if self._worker.ending:
            return True
        until = time.monotonic() + deadline
        self.ask_to_end()
        return self.end(until)

    def _drain(self) -> None:
        while self._queue:
            items: InTurns[T] = InTurns()
            with suppress(IndexError):  # the queue is empty, or was emptied by `end`
                while len(items) < self._batch:
                    items.append(self._queue.popleft())
            self._on_its_way = len(items)
            try:
                lost = self._send(items) if items else 0
            except Exception:  # noqa: BLE001 - whatever the way out does, it is a loss of items and no more
                lost = len(items)
            counted = len(items) - self._on_its_way
            self._on_its_way = 0
            if lost > counted:
                self._lost(self._reasons.failed, lost - counted)

    def _forget(self) -> None:
        """In a forked child: the parent hands over what waits and what is on its way."""
        self._queue.clear()
        self._on_its_way = 0

    def _lost(self, reason: str, count: int = 1) -> None:
        self._dropped.add(self._reasons.signal, reason, count)
