"""Receivers and mute times from a file of TOML: a list of tables for each kind."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from seawall.alerts.mutes import Mute
from seawall.alerts.receivers import KINDS, Receiver
from seawall.resilience.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Notify:
    receivers: tuple[Receiver, ...]
    mutes: tuple[Mute, ...]


def read(path: Path) -> Notify:
    """What the file says. Every problem is named in one `ConfigurationError`."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError([f"can't read {path}: {(error.strerror or str(error)).lower()}"]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([f"can't read {path}: it is no text"]) from None
    return parse(text, str(path))


def parse(text: str, source: str) -> Notify:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError([f"{source} is no TOML: {error}"]) from None
    problems: list[str] = []
    kinds: dict[str, Any] = {**KINDS, "mute": Mute}
    made: list[Any] = []
    for kind, tables in document.items():
        if kind not in kinds:
            problems.append(f"{source}: {kind!r} is unknown{_meant(kind, kinds)}")
        elif not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            problems.append(f"{source}: {kind} is no list; allowed: [[{kind}]]")
        else:
            for number, table in enumerate(tables, 1):
                where = f"{source}: {kind} {number}" if len(tables) > 1 else source
                made += _one(kinds[kind], kind, table, where, problems)
    if not problems and not any(isinstance(each, Receiver) for each in made):
        problems.append(f"{source} has no receiver; allowed: at least one of {', '.join(KINDS)}")
    if problems:
        raise ConfigurationError(problems)
    receivers = tuple(each for each in made if isinstance(each, Receiver))
    return Notify(receivers, tuple(each for each in made if isinstance(each, Mute)))


def _one(make: Any, kind: str, table: dict[str, Any], where: str, problems: list[str]) -> list[Any]:
    known = [field.name for field in fields(make)]
    unknown = [name for name in table if name not in known]
    problems += [f"{where}: {kind}.{name} is unknown{_meant(name, known)}" for name in unknown]
    given = {n: tuple(v) if isinstance(v, list) else v for n, v in table.items() if n in known}
    try:
        return [make(**given)]
    except ConfigurationError as error:
        problems += [f"{where}: {problem}" for problem in error.problems]
        return []


def _meant(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {close[0]}?" if close else f"; allowed: {', '.join(known)}"
