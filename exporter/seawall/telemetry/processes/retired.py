"""What processes that have ended counted, in one file, each of them exactly once.

A segment is added to the totals, and its id noted in the same file, by one rename; then it is deleted. Who
dies between the two leaves an id whose segment is still there: it is deleted, not added again.

The file is written twice, one after the other, before any segment is deleted: if one is damaged, the other
has it all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from seawall.resilience.fields import ERROR_NAMES
from seawall.telemetry.processes.reader import BadSegment
from seawall.telemetry.processes.segment import NEW
from seawall.telemetry.processes.shapes import fractional, layout_from, signature
from seawall.telemetry.processes.shares import Share, Total

#: The format is in the name: another version's file is not this one's to replace.
FILES = ("retired-1.json", "retired-1.copy.json")
#: Seconds for which a member of a family is kept that no process has. A worker that takes the place of one
#: that died has the same keys again by then, and what Prometheus still shows of a series that ended is gone.
KEEP = 600.0

Own = dict[tuple[str, ...], float]
_ERRORS = (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError)


@dataclass(slots=True)
class Retired:
    """``guards`` by name and layout; ``own``: telemetry's own counters; ``folded``: ids of segments that are
    in here; ``foreign``: what another version wrote, kept as it is.
    """

    guards: dict[tuple[str, str], Share] = field(default_factory=dict)
    own: Own = field(default_factory=dict)
    folded: frozenset[str] = frozenset()
    foreign: list[dict[str, Any]] = field(default_factory=list)

    def copy(self) -> Retired:
        return Retired(dict(self.guards), dict(self.own), self.folded, list(self.foreign))

    def add(self, shares: Iterable[Share], own: Mapping[tuple[str, ...], float], now: float) -> None:
        """Count what ended processes counted; their gauges ended with them."""
        for share in shares:
            key = (share.name, signature(share.layout))
            before = [self.guards[key]] if key in self.guards else []
            self.guards[key] = Total(share.layout, [*before, share]).share(share, ended=now)
        for name, count in own.items():
            self.own[name] = self.own.get(name, 0) + count

    def settle(self, living: set[str], now: float) -> bool:
        """Forget members of families that no process has had for long, as a process forgets its own. Whether
        there were any. ``now``: seconds since the epoch.
        """
        gone = [
            key
            for key, share in self.guards.items()
            if share.family and share.name not in living and not 0 <= now - share.ended <= KEEP
        ]
        for key in gone:
            del self.guards[key]
        return bool(gone)


def set_aside(folder: Path) -> None:
    """Keep files that can't be read, for whoever wants to look at them."""
    for name in FILES:
        with contextlib.suppress(OSError):
            os.replace(folder / name, folder / f"{name}.bad")


def stamp(folder: Path) -> object:
    """Differs whenever the files do; ``None`` when there are none."""
    found = []
    for name in FILES:
        with contextlib.suppress(OSError):
            status = (folder / name).stat()
            found.append((name, status.st_ino, status.st_mtime_ns, status.st_size))
    return found or None


def load(folder: Path) -> tuple[Retired, int]:
    """(the first copy that can be read, how many can't). :class:`BadSegment` when there are only such."""
    bad = 0
    for name in FILES:
        try:
            return _parsed((folder / name).read_bytes()), bad
        except FileNotFoundError:
            continue
        except (OSError, BadSegment):
            bad += 1
    if bad:
        raise BadSegment("retired")
    return Retired(), 0


def save(folder: Path, retired: Retired) -> None:
    """Replace both files. ``OSError`` when one can't be written; it then stays as it was."""
    guards = [
        {
            "entry": share.entry,
            "family": share.family,
            "spec": share.layout.spec,
            "signature": shape,
            "numbers": share.numbers,
            "seconds": [[slot, parts] for slot, parts in share.seconds.items() if parts],
            "names": share.names,
            "ended": share.ended,
        }
        for (_, shape), share in retired.guards.items()
    ]
    document = {
        "folded": sorted(retired.folded),
        "own": [[*key, count] for key, count in retired.own.items()],
        "guards": guards + retired.foreign,
    }
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    content = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    new = folder / f"retired{NEW}"
    try:
        for name in FILES:
            with open(new, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, folder / name)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def _parsed(content: bytes) -> Retired:
    check, _, body = content.partition(b"\n")
    try:
        if hashlib.sha256(body).hexdigest() != check.decode():
            raise ValueError
        document = json.loads(body)
        retired = Retired(folded=frozenset(document["folded"]))
        retired.own = {tuple(map(str, key)): float(count) for *key, count in document["own"]}
        for guard in document["guards"]:
            _add(retired, guard)
    except _ERRORS as error:
        raise BadSegment("retired") from error
    return retired


def _add(retired: Retired, guard: dict[str, Any]) -> None:
    layout = layout_from(guard["spec"])
    if signature(layout) != guard["signature"]:
        retired.foreign.append(guard)
        return
    numbers, names = [float(n) for n in guard["numbers"]], tuple(guard["names"])
    if (len(numbers), len(names)) != (layout.size, ERROR_NAMES) or not isfinite(sum(numbers)):
        raise ValueError
    seconds = {int(slot): [float(part) for part in parts] for slot, parts in guard["seconds"]}
    for slot in fractional(layout):
        seconds.setdefault(slot, [])
    share = Share(layout, guard["entry"], guard["family"], names, numbers, seconds)
    share.ended = float(guard["ended"])
    retired.guards[share.name, guard["signature"]] = share
