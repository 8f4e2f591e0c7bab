"""Puts the numbers of this process's guards where other processes can sum them.

Guards count straight into the mapped segment: no call costs more than a store into shared memory. What time
moves (states, ratios, queues) is written by a thread once a second, and at every transition.
"""

from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, cast
from weakref import WeakSet

from seawall.resilience.events import Event, Transition
from seawall.resilience.fields import ERROR_NAMES
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.processes import folder as folders
from seawall.telemetry.processes.folder import FolderError, folder_of
from seawall.telemetry.processes.segment import SUFFIX, Block, Room, Segment, live_slots

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
        self._rooms: dict[Guard, Room] = {}
        self._lock = threading.RLock()
        self._ended = threading.Event()

    def start(self) -> None:
        """Move the guards in. ``FolderError`` when there is no room, or no folder; then nothing is shared.

        Call it before calls are served: one that is in flight meanwhile may be counted in the old place.
        """
        with self._lock:
            if self in _sharing:
                return
            if self._segment is None:
                self._move_in()
            self._registry.subscribe(self._transition, name="processes", events=(Transition,))
            self._registry.joined.add(self._join)
            self._registry.left.add(self._part)
            _sharing.add(self)
            self._publish_on()

    def stop(self) -> None:
        """Write what time moves no more. The guards stay, and count, until the process ends."""
        with self._lock:
            self.publish()
            self._ended.set()
            self._registry.unsubscribe(self._transition)
            self._registry.joined.discard(self._join)
            self._registry.left.discard(self._part)
            _sharing.discard(self)

    def publish(self) -> None:
        """Write what time moves, of every guard."""
        for guard in list(self._rooms):
            self._publish(guard)

    def blocks(self) -> list[Block]:
        """This process's guards, as others read them from the segment."""
        with self._lock:
            return [
                Block(
                    guard.describe(),
                    guard.ledger.layout,
                    room.slots.tobytes() + room.live.tobytes(),
                    tuple(guard.ledger.error_names[:ERROR_NAMES]),
                )
                for guard, room in self._rooms.items()
            ]

    def _move_in(self) -> None:
        name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}{SUFFIX}"
        path = self._folder.path / name
        with self._folder.locked():
            try:
                self._segment = _create(path)
            except OSError as error:
                raise FolderError(f"no room for {str(path)!r}: {folders.why(error)}") from None
            self._folder.own.add(name)
            try:
                for guard in self._registry:
                    self._move(guard)
            except OSError as error:
                self._leave()
                path.unlink()
                raise FolderError(f"no room for {str(path)!r}: {folders.why(error)}") from None

    def _move(self, guard: Guard) -> None:
        assert self._segment is not None
        ledger = guard.ledger
        room = self._segment.append(guard.describe(), ledger.layout)
        self._rooms[guard] = room
        with guard.lock:
            guard.keep_in(cast("list[float]", room.slots))
            ledger.error_names = _Names(ledger.error_names, room)
        self._publish(guard)

    def _leave(self) -> None:
        for guard in self._rooms:
            _take_out(guard)
        self._rooms = {}
        if self._segment is not None:
            self._folder.own.discard(Path(self._segment.path).name)
            self._segment.close()
            self._segment = None

    def _join(self, guard: Guard) -> None:
        """A guard that is built later. Without room it counts for this process alone, and that is counted."""
        with self._lock:
            if self._segment is not None:
                try:
                    self._move(guard)
                except OSError:
                    self._dropped.add("series", "no_room")

    def _part(self, guard: Guard) -> None:
        """A guard that is removed: its series end, for every reader."""
        with self._lock:
            room = self._rooms.pop(guard, None)
            if room is not None and self._segment is not None:
                _take_out(guard)
                self._segment.give_back(room)

    def _transition(self, event: Event) -> None:
        guard = self._registry.get(event.dependency)
        if guard is not None:
            self._publish(guard)

    def _publish(self, guard: Guard) -> None:
        room = self._rooms.get(guard)
        if room is not None:
            reading = guard.read()
            for i, slot in enumerate(live_slots(guard.ledger.layout)):
                room.live[i] = reading[slot]

    def _publish_on(self) -> None:
        self._ended = ended = threading.Event()

        def publish() -> None:
            while not ended.wait(INTERVAL):
                self.publish()

        threading.Thread(target=publish, name="seawall-processes", daemon=True).start()

    def _begin_anew(self) -> None:
        """In a forked child: the guards have storage of their own again, and get a segment of this process.

        The parent's is only let go: its file descriptor here holds no lock.
        """
        self._lock = threading.RLock()
        parents, self._segment, self._rooms = self._segment, None, {}
        if parents is not None:
            parents.close()
        try:
            self._move_in()
        except FolderError:
            self._dropped.add("series", "no_room")
        else:
            self._publish_on()


def _take_out(guard: Guard) -> None:
    with guard.lock:
        guard.keep_in([0] * guard.ledger.layout.width)
        guard.ledger.error_names = list(guard.ledger.error_names)


class _Names(list[str | None]):
    """A ledger's error names; a name that is claimed is written where other processes read it."""

    def __init__(self, names: list[str | None], room: Room) -> None:
        super().__init__(names)
        self._room = room
        for i, name in enumerate(names[:ERROR_NAMES]):
            if name is not None:
                room.name(i, name)

    def __setitem__(self, index: int, name: str | None) -> None:  # type: ignore[override]
        super().__setitem__(index, name)
        if name is not None:
            self._room.name(index, name)


def _create(path: Path) -> Segment:
    """Locked before it has its name: nobody takes it for that of a process that has ended."""
    new = path.with_suffix(".new")
    file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if not folders.lock(file):
            raise BlockingIOError
        segment = Segment(str(path), file)
        new.rename(path)
    except BaseException:
        os.close(file)
        new.unlink(missing_ok=True)
        raise
    return segment


_sharing: WeakSet[Sharing] = WeakSet()


def _after_fork_in_child() -> None:
    folders.restart_all()
    for sharing in list(_sharing):
        sharing._begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
