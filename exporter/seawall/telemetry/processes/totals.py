"""What a scrape of several processes reports: everybody's segments, and what ended processes left."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from seawall.resilience import Registry
from seawall.resilience.ledger import Layout
from seawall.telemetry import catalog
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.processes import retired as retirement
from seawall.telemetry.processes.folder import FolderError, folder_of, lock
from seawall.telemetry.processes.merging import Columns, Sum
from seawall.telemetry.processes.retired import Retired
from seawall.telemetry.processes.segment import SUFFIX, BadSegment, Block, Reader, signature
from seawall.telemetry.processes.sharing import Sharing
from seawall.telemetry.rows import Row, policy_rows
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source, View

_WORKER_FILE = ("series", "worker_file")


class ProcessSource(Source):
    """Sums the processes of a folder. ``sharing``: this process's own part, when it has one.

    A file that can't be read is skipped and counted; one that was good before counts with its last good
    numbers, so that no total falls.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        registry: Registry,
        *,
        sharing: Sharing | None = None,
        service: Service | None = None,
        dropped: Dropped | None = None,
    ) -> None:
        super().__init__(registry, service=service, dropped=dropped)
        self._folder = folder_of(directory)
        self._path = str(self._folder.path)
        self._sharing = sharing
        self._readers: dict[str, Reader] = {}
        self._columns: dict[tuple[str, Layout], Columns] = {}
        self._good: dict[str, tuple[bytes, list[Block]]] = {}
        self._retired = Retired()
        self._retired_stamp: object = None
        self._versions: dict[str, tuple[list[float], int]] = {}
        self._views: list[View] = []

    def views(self) -> list[View]:
        """The guards of all processes, by name. The last sums, when the folder can't be had now."""
        try:
            with self._folder.locked():
                sums, processes = self._sums()
        except (FolderError, OSError):
            self.dropped.add("series", "folder")
            return self._views
        self._views = [self._summed(name, by_layout, processes) for name, by_layout in sorted(sums.items())]
        return self._views

    def _sums(self) -> tuple[dict[str, list[Sum]], int]:
        alive: list[list[Block]] = []
        if self._sharing is not None:
            self._sharing.publish()
            alive.append(self._sharing.blocks())
        ended: dict[str, tuple[bytes, list[Block]]] = {}
        self._load_retired()
        present: set[str] = set()
        with os.scandir(self._folder.path) as files:
            names = [f.name for f in files if f.name.endswith(SUFFIX) and f.name not in self._folder.own]
        for name in names:
            present.add(name)
            lives, segment = self._read(name)
            if segment is None:
                continue
            if lives:
                alive.append(segment[1])
            else:
                ended[name] = segment
        for gone in self._readers.keys() - present:
            del self._readers[gone]
            self._good.pop(gone, None)
        if ended:
            self._retire(ended)
        return self._added(alive), len(alive)

    def _read(self, name: str) -> tuple[bool, tuple[bytes, list[Block]] | None]:
        """(whether its process lives, id and blocks); its last good ones when it can't be read."""
        try:
            file = os.open(f"{self._path}/{name}", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            self.dropped.add(*_WORKER_FILE)
            return True, self._good.get(name)
        try:
            lives = not lock(file)
            content = os.read(file, os.fstat(file).st_size)
        finally:
            os.close(file)
        try:
            segment = self._good[name] = self._readers.setdefault(name, Reader()).read(content)
        except BadSegment:
            self.dropped.add(*_WORKER_FILE)
            return lives, self._good.get(name)
        return lives, segment

    def _load_retired(self) -> None:
        path = self._folder.path / retirement.FILE
        try:
            status = path.stat()
            stamp: object = (status.st_ino, status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            stamp = None
        if stamp == self._retired_stamp:
            return
        try:
            self._retired = retirement.load(self._folder.path)
        except BadSegment:
            # What this process knew of it stays, and is written again with the next process that ends.
            self.dropped.add(*_WORKER_FILE)
            retirement.set_aside(self._folder.path)
            stamp = None
        self._retired_stamp = stamp

    def _retire(self, ended: dict[str, tuple[bytes, list[Block]]]) -> None:
        """Add ended processes to the file of the retired, then delete their segments."""
        new = False
        for identity, blocks in ended.values():
            if identity.hex() not in self._retired.folded:
                self._retired.add(identity, blocks)
                new = True
        if new:
            retirement.save(self._folder.path, self._retired)
            status = (self._folder.path / retirement.FILE).stat()
            self._retired_stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        for name, (identity, _) in ended.items():
            with contextlib.suppress(OSError):
                os.unlink(self._folder.path / name)
                self._retired.folded.discard(identity.hex())

    def _added(self, alive: Sequence[Sequence[Block]]) -> dict[str, list[Sum]]:
        """By guard: its sums, that of the layout most processes have first."""
        blocks: dict[tuple[str, Layout], list[Block]] = {}
        for process in alive:
            for block in process:
                blocks.setdefault((block.name, block.layout), []).append(block)
        sums: dict[str, list[Sum]] = {}
        self._columns = {key: kept for key, kept in self._columns.items() if key in blocks}
        for (name, layout), of_guard in sorted(blocks.items(), key=lambda item: -len(item[1])):
            columns = self._columns.setdefault((name, layout), Columns())
            total = Sum(layout, of_guard[0].entry, columns)
            for _ in range(total.add(of_guard, alive=True)):
                self.dropped.add(*_WORKER_FILE)
            sums.setdefault(name, []).append(total)
        for (name, shape), kept in self._retired.sums.items():
            into = [s for s in sums.get(name, []) if signature(s.layout) == shape]
            if not into:
                into = [Sum(kept.layout, kept.entry)]
                sums.setdefault(name, []).append(into[0])
            into[0].add([Block(kept.entry, kept.layout, kept.numbers.tobytes(), kept.names)], alive=False)
        return sums

    def _summed(self, name: str, by_layout: Sequence[Sum], processes: int) -> View:
        total = by_layout[0]
        reading = total.reading()
        for other in by_layout[1:]:
            _carry(other, reading, total.layout)
        kept, version = self._versions.get(name, ([], 0))
        if reading != kept:
            version += 1
            self._versions[name] = (reading, version)
        guard = self.registry.get(name)
        states = [Row(catalog.BREAKER_PROCESSES, (name, s), n) for s, n in total.states.items()]
        return View(
            guard=guard,
            name=name,
            layout=total.layout,
            reading=reading,
            version=version,
            error_names=total.error_names(),
            exemplars=dict(guard.ledger.exemplars) if guard is not None else {},
            rows=(*policy_rows(total.entry), *states),
        )


def _carry(other: Sum, reading: list[float], layout: Layout) -> None:
    """Add counters of another layout of the same guard, series by series, as far as both have them."""
    theirs = other.reading()
    for entry in other.layout.entries:
        if entry.field.kind == "gauge" or entry.field.name == "errors":
            continue
        if layout.has(entry.field.name, *entry.labels):
            into = layout.entry(entry.field.name, *entry.labels)
            if into.bounds == entry.bounds:
                for i in range(entry.size):
                    reading[into.offset + i] += theirs[entry.offset + i]
