"""What a scrape of several processes reports: everybody's segments, and what ended processes left."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace

from seawall.resilience import Registry
from seawall.resilience.ledger import Layout
from seawall.telemetry import catalog
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.processes import retired as retirement
from seawall.telemetry.processes.columns import Group, own_of, possible
from seawall.telemetry.processes.files import Files
from seawall.telemetry.processes.folder import FolderError, folder_of
from seawall.telemetry.processes.own import Own, add_up, own_counts, rows_of
from seawall.telemetry.processes.reader import BadSegment, Content, Directory
from seawall.telemetry.processes.retired import Retired
from seawall.telemetry.processes.shapes import signature, union
from seawall.telemetry.processes.shares import Share, Total
from seawall.telemetry.processes.sharing import Sharing
from seawall.telemetry.rows import Row, policy_rows
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source, View


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
        self._folder = folder_of(directory)
        self._path = self._folder.path
        if service is not None:
            # One identity, whichever process is asked; it says nothing of the machine.
            place = f"{socket.gethostname()}:{self._path}".encode("utf-8", "replace")
            service = replace(service, instance_id=hashlib.sha256(place).hexdigest()[:32])
        super().__init__(registry, service=service, dropped=dropped)
        self._sharing = sharing
        self._files = Files(self._folder, self.dropped)
        self._groups: dict[Directory, Group] = {}
        self._retired = Retired()
        self._stamp: object = None
        self._versions: dict[str, tuple[list[float], int]] = {}
        self._policies: dict[str, tuple[object, dict[str, int], tuple[Row, ...]]] = {}
        self._views: list[View] = []
        self._others: Own = {}
        self._at_work = 0

    def views(self) -> list[View]:
        """The guards of all processes, by name. The last sums, when the folder can't be had now."""
        if self._sharing is not None:
            self._sharing.publish()
        try:
            with self._folder.locked():
                if self._at_work == os.getpid():
                    return self._views  # a signal handler asks, in the middle of the answer to another
                self._at_work = os.getpid()
                try:
                    self._views = self._summed()
                finally:
                    self._at_work = 0
        except (FolderError, OSError):
            self.dropped.add("series", "folder")
        return self._views

    def own(self) -> tuple[Row, ...]:
        """Telemetry's own counters of all processes."""
        if self._sharing is not None:
            mine = self._sharing.counts()
        else:
            mine = own_counts(self.dropped, self.registry)
        total = dict(self._others)
        add_up(total, mine)
        return rows_of(total)

    def _summed(self) -> list[View]:
        self._load_retired()
        alive, ended = self._files.contents()
        shares, others = self._sums(alive)
        retired = self._retire(ended, {share.name for share in shares})
        add_up(others, retired.own)
        self._others = others
        by_name: dict[str, list[Share]] = {}
        for share in shares:
            by_name.setdefault(share.name, []).append(share)
        for (name, _), share in retired.guards.items():
            by_name.setdefault(name, []).append(share)
        views = []
        for name, of_guard in sorted(by_name.items()):
            try:
                views.append(self._view_of(name, of_guard))
            except Exception:  # noqa: BLE001 - one bad guard must not empty the page
                self.dropped.add("series", "guard_failed")
        self._versions = {view.name: self._versions[view.name] for view in views}
        self._policies = {view.name: self._policies[view.name] for view in views}
        return views

    # -- sums

    def _sums(self, alive: Mapping[str, Content]) -> tuple[list[Share], Own]:
        """(shares of living processes, telemetry's own counters of those beside this one)."""
        groups: dict[Directory, dict[str, Content]] = {}
        for name, content in alive.items():
            groups.setdefault(content.directory, {})[name] = content
        self._groups = {directory: self._groups.get(directory) or Group(directory) for directory in groups}
        shares: list[Share] = []
        others: Own = {}
        for directory, contents in groups.items():
            group = self._groups[directory]
            found = group.shares(list(contents.values()))
            if not group.sound:
                shares += self._sound(contents)
                continue
            shares += found
            self._files.add(contents)
            add_up(others, group.own())
        mine = alive.get(self._sharing.name) if self._sharing is not None else None
        if mine is not None:
            counted = own_of(mine.directory, array("d", mine.slots))
            add_up(others, counted, -1)
        return shares, others

    def _sound(self, contents: Mapping[str, Content]) -> list[Share]:
        """Shares of those whose numbers can be, and of the others as they were."""
        shares: list[Share] = []
        for name, content in contents.items():
            kept: Content | None = content
            if possible(content):
                self._files.add({name: content})
            else:
                kept = self._files.bad(name)
            if kept is not None:
                shares += Group(kept.directory).shares([kept])
        return shares

    def _view_of(self, name: str, shares: Sequence[Share]) -> View:
        ordered = sorted(shares, key=lambda s: (-s.processes, signature(s.layout), repr(s.names)))
        layouts: dict[Layout, None] = dict.fromkeys(share.layout for share in ordered)
        layout = ordered[0].layout if len(layouts) == 1 else union(tuple(layouts))
        total = Total(layout, sorted(ordered, key=lambda share: share.processes > 0))
        reading = total.reading()
        kept, version = self._versions.get(name, ([], 0))
        if reading != kept:
            version += 1
        self._versions[name] = (reading, version)
        guard = self.registry.get(name)
        entry = max(ordered, key=lambda share: (share.start, share.entry["hash"])).entry
        return View(
            guard=guard,
            name=name,
            layout=layout,
            reading=reading,
            version=version,
            error_names=total.error_names(),
            exemplars=dict(guard.ledger.exemplars) if guard and guard.ledger.layout is layout else {},
            rows=self._rows_of(name, entry, total.states),
        )

    def _rows_of(self, name: str, entry: dict[str, object], states: dict[str, int]) -> tuple[Row, ...]:
        kept = self._policies.get(name)
        if kept is not None and kept[0] is entry and kept[1] == states:
            return kept[2]
        processes = (Row(catalog.BREAKER_PROCESSES, (name, state), n) for state, n in states.items())
        rows = (*policy_rows(entry), *processes)
        self._policies[name] = (entry, states, rows)
        return rows

    # -- processes that have ended

    def _load_retired(self) -> None:
        stamp = retirement.stamp(self._path)
        if stamp == self._stamp:
            return
        try:
            self._retired, bad = retirement.load(self._path)
        except BadSegment:
            bad = 1
            retirement.set_aside(self._path)
        if bad:
            # What this process knows of it stays, and is written again.
            self.dropped.add("series", "worker_file", bad)
            self._save(self._retired)
            stamp = retirement.stamp(self._path)
        self._stamp = stamp

    def _retire(self, ended: Mapping[str, Content], living: set[str]) -> Retired:
        """What ended processes counted. It is in the file before their segments are deleted; when it can't
        be, it is in the sums all the same, and tried again.
        """
        now = time.time()
        new = self._retired.copy()
        fresh = [content for content in ended.values() if content.identity not in new.folded]
        groups: dict[Directory, list[Content]] = {}
        for content in fresh:
            groups.setdefault(content.directory, []).append(content)
        for directory, contents in groups.items():
            group = Group(directory)
            new.add(group.shares(contents), group.own(), now)
        new.folded |= {content.identity for content in fresh}
        if not new.settle(living, now) and not ended:
            return self._retired
        if not self._save(new):
            return new
        self._retired = new
        self._stamp = retirement.stamp(self._path)
        for name, content in ended.items():
            if self._files.delete(name):
                new.folded -= {content.identity}
        return new

    def _save(self, retired: Retired) -> bool:
        try:
            retirement.save(self._path, retired)
        except OSError:
            self.dropped.add("series", "folder")
            return False
        return True
