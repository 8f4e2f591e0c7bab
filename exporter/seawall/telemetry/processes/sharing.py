"""Puts the numbers of this process's guards where other processes can sum them.

Guards count straight into the mapped segment: no call costs more than a store into shared memory. What time
moves (states, ratios, queues), settings and telemetry's own counters are written by a thread once a second,
at every transition and change of settings, and before this process is scraped.
"""

from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, cast
from weakref import WeakSet

from seawall.resilience.events import Event, PolicyChanged, Transition
from seawall.resilience.reading import read
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.processes import folder as folders
from seawall.telemetry.processes.folder import FolderError, folder_of
from seawall.telemetry.processes.own import Own, own_counts
from seawall.telemetry.processes.segment import SUFFIX, Names, Room, Segment
from seawall.telemetry.processes.shapes import live_slots

if TYPE_CHECKING:
    from seawall.resilience import Guard, Registry

#: Seconds between two rounds of writing what time moves.
INTERVAL = 1.0


class Sharing:
    """The guards of ``registry`` in a segment of ``directory``, those built later too. A forked child gets a
    segment of its own.

    The directory lies on a local file system and belongs to one deployment of one service: everybody in it
    is summed.
    """

    def __init__(
        self, registry: Registry, directory: str | os.PathLike[str], *, dropped: Dropped | None = None
    ) -> None:
        self._registry = registry
        self._folder = folder_of(directory)
        self._dropped = dropped if dropped is not None else Dropped()
        self._segment: Segment | None = None
        self._rooms: dict[Guard, _Housed] = {}
        self._own: tuple[tuple[tuple[str, ...], ...], memoryview[float]] | None = None
        self._inherited: Own = {}
        self._lock = threading.RLock()
        self._running = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        _made.add(self)

    @property
    def name(self) -> str:
        """Of this process's file; "" when it has none."""
        return Path(self._segment.path).name if self._segment is not None else ""

    def start(self) -> None:
        """Move the guards in. ``FolderError`` when there is no room, or no folder; then nothing is shared.

        Call it before calls are served: one that is in flight meanwhile may be counted in the old place.
        """
        with self._lock:
            if self._running:
                return
            if self._segment is None:
                self._move_in()
            self._registry.subscribe(self._noted, name="processes", events=(Transition, PolicyChanged))
            self._registry.joined.add(self._join)
            self._registry.left.add(self._part)
            self._running = True
            self._publish_on()

    def stop(self) -> None:
        """Write what time moves no more. The guards stay, and count, until the process ends."""
        with self._lock:
            if not self._running:
                return
            self._running = False
            self._ended.set()
            self._registry.unsubscribe(self._noted)
            self._registry.joined.discard(self._join)
            self._registry.left.discard(self._part)
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(INTERVAL)
        self.publish()

    def publish(self) -> None:
        """Write what time moves, of every guard, and what telemetry lost."""
        for guard in list(self._rooms):
            self._publish(guard)
        with self._lock:
            self._publish_own()

    def counts(self) -> Own:
        """Telemetry's own counters of this process, without what it has inherited."""
        return {
            key: count - self._inherited.get(key, 0)
            for key, count in own_counts(self._dropped, self._registry).items()
        }

    # -- rooms

    def _move_in(self) -> None:
        path = self._folder.path / f"{os.getpid()}-{uuid.uuid4().hex[:8]}{SUFFIX}"
        with self._folder.locked():
            try:
                self._segment = self._folder.create(path)
            except OSError as error:
                raise FolderError(f"no room for {str(path)!r}: {folders.why(error)}") from None
            try:
                guards = list(self._registry)
                self._segment.reserve([guard.ledger.layout for guard in guards])
                for guard in guards:
                    self._move(guard)
                self._publish_own()
            except OSError as error:
                self._leave()
                path.unlink()
                raise FolderError(f"no room for {str(path)!r}: {folders.why(error)}") from None
            self._folder.own[path.name] = self._segment

    def _move(self, guard: Guard) -> None:
        assert self._segment is not None
        ledger = guard.ledger
        policies = tuple(guard.policies.values())
        room = self._segment.append(guard.describe(), guard.family, ledger.layout)
        with guard.lock:
            self._rooms[guard] = _Housed(room, policies)
            guard.keep_in(cast("list[float]", room.slots))
            ledger.error_names = Names(ledger.error_names, room)
        self._publish(guard)

    def _leave(self) -> None:
        for guard in self._rooms:
            _take_out(guard)
        self._rooms = {}
        self._own = None
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _join(self, guard: Guard) -> None:
        """A guard that is built later. Without room it is left out until there is some, and counted."""
        with self._lock:
            if self._segment is not None and guard not in self._rooms:
                try:
                    self._move(guard)
                except OSError:
                    self._dropped.add("series", "no_room")

    def _part(self, guard: Guard) -> None:
        """A guard that is removed: its series end, for every reader."""
        with self._lock:
            if guard in self._rooms and self._segment is not None:
                with guard.lock:
                    housed = self._rooms.pop(guard)
                    _take_out(guard)
                self._segment.give_back(housed.room)

    # -- what is written

    def _noted(self, event: Event) -> None:
        guard = self._registry.get(event.dependency)
        if guard is not None:
            self._publish(guard)

    def _publish(self, guard: Guard) -> None:
        try:
            guard.pass_time()
            with guard.lock:
                housed = self._rooms.get(guard)
                if housed is None:
                    return
                reading, _ = read(guard)
                live = housed.room.live
                for i, slot in enumerate(live_slots(guard.ledger.layout)):
                    live[i] = reading[slot]
                changed = housed.policies != tuple(guard.policies.values())
            if changed:
                self._describe(guard)
        except Exception:  # noqa: BLE001 - one bad guard must not keep the others' numbers back
            self._dropped.add("series", "guard_failed")

    def _describe(self, guard: Guard) -> None:
        policies = tuple(guard.policies.values())
        entry = guard.describe()
        with self._lock, guard.lock:
            housed = self._rooms.get(guard)
            if housed is not None and self._segment is not None:
                self._segment.describe(housed.room, entry, guard.family)
                housed.policies = policies

    def _publish_own(self) -> None:
        """Caller holds the lock."""
        if self._segment is None:
            return
        counts = self.counts()
        keys = tuple(counts)
        if self._own is None or self._own[0] != keys:
            storage = self._segment.counters(keys)
            self._own = (keys, storage)
        else:
            storage = self._own[1]
        for i, count in enumerate(counts.values()):
            storage[i] = count

    def _publish_on(self) -> None:
        self._ended = ended = threading.Event()

        def publish() -> None:
            while not ended.wait(INTERVAL):
                self._seek_room()
                self.publish()

        self._thread = threading.Thread(target=publish, name="seawall-processes", daemon=True)
        self._thread.start()

    def _seek_room(self) -> None:
        """Try again where there was none."""
        with self._lock:
            if not self._running:
                return
            if self._segment is None:
                try:
                    self._move_in()
                except FolderError:
                    return
            if len(self._rooms) < len(self._registry):
                for guard in self._registry:
                    if guard not in self._rooms:
                        try:
                            self._move(guard)
                        except OSError:
                            return

    def _begin_anew(self) -> None:
        """In a forked child: the guards have storage of their own again, and get a segment of this process.

        The parent's is only let go: its file descriptor here holds no lock.
        """
        self._lock = threading.RLock()
        parents, self._segment, self._rooms, self._own = self._segment, None, {}, None
        if parents is not None:
            parents.close()
        self._inherited = own_counts(self._dropped, self._registry)
        if self._running:
            try:
                self._move_in()
            except FolderError:
                self._dropped.add("series", "no_room")
            self._publish_on()


class _Housed:
    """A guard's room, and the policies that are described there."""

    __slots__ = ("policies", "room")

    def __init__(self, room: Room, policies: tuple[object, ...]) -> None:
        self.room = room
        self.policies = policies


def _take_out(guard: Guard) -> None:
    with guard.lock:
        guard.keep_in([0] * guard.ledger.layout.width)
        guard.ledger.error_names = list(guard.ledger.error_names)


_made: WeakSet[Sharing] = WeakSet()


def _after_fork_in_child() -> None:
    folders.restart_all()
    for sharing in list(_made):
        sharing._begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
