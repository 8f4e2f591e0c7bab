"""What processes that have ended counted, in one file, each of them exactly once.

A segment is added to the totals, and its id noted in the same file, by one rename; then it is deleted. Who
dies between the two leaves an id whose segment is still there: it is deleted, not added again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seawall.resilience.fields import ERROR_NAMES
from seawall.telemetry.processes.merging import Sum
from seawall.telemetry.processes.segment import BadSegment, Block, layout_from, signature

FILE = "retired.json"


@dataclass(slots=True)
class Retired:
    """``sums`` by guard and layout; ``foreign``: what another version wrote, kept as it is."""

    sums: dict[tuple[str, str], Sum] = field(default_factory=dict)
    folded: set[str] = field(default_factory=set)
    foreign: list[dict[str, Any]] = field(default_factory=list)

    def add(self, identity: bytes, blocks: Iterable[Block]) -> None:
        """Count what an ended process counted; its gauges ended with it."""
        for block in blocks:
            key = (block.name, signature(block.layout))
            if key not in self.sums:
                self.sums[key] = Sum(block.layout, block.entry)
            self.sums[key].add([block], alive=False)
        self.folded.add(identity.hex())


def load(folder: Path) -> Retired:
    """:class:`BadSegment` when the file is there and is none."""
    try:
        text = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return Retired()
    except OSError as error:
        raise BadSegment("unreadable") from error
    try:
        check, _, body = text.partition(b"\n")
        if hashlib.sha256(body).hexdigest() != check.decode():
            raise ValueError
        document = json.loads(body)
        retired = Retired(folded=set(document["folded"]))
        for guard in document["guards"]:
            _add(retired, guard)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise BadSegment("garbage") from error
    return retired


def save(folder: Path, retired: Retired) -> None:
    """Replace the file as a whole. ``OSError`` when it can't be written; the old one then stays."""
    guards = [
        {
            "entry": kept.entry,
            "spec": kept.layout.spec,
            "signature": shape,
            "numbers": list(kept.numbers),
            "names": kept.names,
        }
        for (_, shape), kept in retired.sums.items()
    ]
    document = {"folded": sorted(retired.folded), "guards": guards + retired.foreign}
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    new = folder / f"{FILE}.{os.getpid()}"
    try:
        with open(new, "wb") as file:
            file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, folder / FILE)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def set_aside(folder: Path) -> None:
    """Keep a file that can't be read out of the way, for whoever wants to look at it."""
    with contextlib.suppress(OSError):
        os.replace(folder / FILE, folder / f"{FILE}.bad")


def _add(retired: Retired, guard: dict[str, Any]) -> None:
    layout = layout_from(guard["spec"])
    if signature(layout) != guard["signature"]:
        retired.foreign.append(guard)
        return
    names = tuple(guard["names"])
    kept = Sum(layout, guard["entry"])
    if (len(guard["numbers"]), len(names)) != (len(kept.numbers), ERROR_NAMES):
        raise ValueError
    raw = array("d", guard["numbers"]).tobytes()
    if kept.add([Block(guard["entry"], layout, raw, names)], alive=False):
        raise ValueError
    retired.sums[str(guard["entry"]["name"]), guard["signature"]] = kept
