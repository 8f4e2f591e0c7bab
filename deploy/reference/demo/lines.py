"""Files of JSON lines that other processes write while the demo reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Lines(Generic[T]):
    """What a file holds so far, one value a line; lines that are no JSON objects are passed over."""

    def __init__(self, path: Path, make: Callable[[dict[str, Any]], T]) -> None:
        self._path = path
        self._make = make
        self._read = 0
        self._rest = b""
        self.values: list[T] = []

    def update(self) -> list[T]:
        """Read on; returns what is new. A line counts when its end has been written."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                data = file.read()
        except FileNotFoundError:
            return []
        self._read += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        new = []
        for line in whole:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                new.append(self._make(found))
        self.values.extend(new)
        return new
