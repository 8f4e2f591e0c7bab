"""The policy document as generators read it: checked in full, then plain objects."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from seawall.resilience.errors import ConfigurationError

SCHEMA = "seawall.policies/1"
CRITICALITIES = ("critical", "default", "sheddable")
POLICIES = ("breaker", "retry", "timeout", "bulkhead", "rate_limit", "fallback", "hedge", "coalesce")
#: What `is_name` takes.
NAME = "1 to 200 characters, none a control or a separator of lines"

_OPERATION = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HASH = re.compile(r"[0-9a-f]{16}")
#: Settings that are shares: above 0, at most 1.
_RATIOS = {"breaker": ("failure_ratio", "slow_ratio")}


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """One guard of the document. ``policies`` maps a policy's name to its settings."""

    name: str
    description: str
    criticality: str
    operations: tuple[str, ...]
    policies: Mapping[str, Mapping[str, object]]
    objectives: Mapping[str, float]
    hash: str
    #: Bounds of a keyed family, whose members are ``name/key``; empty for a guard of its own.
    family: Mapping[str, float] = field(default_factory=dict)

    def number(self, policy: str, setting: str) -> float | None:
        """A numeric setting, ``None`` where the guard has no such policy or the setting is not set."""
        found: object = self.policies.get(policy)
        for part in setting.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    @property
    def begins(self) -> str:
        """What its breaker begins as; "" without one."""
        return str(self.policies.get("breaker", {}).get("mode", ""))

    @property
    def modes(self) -> tuple[str, ...]:
        """What its fallback can answer with."""
        modes = self.policies.get("fallback", {}).get("modes", ())
        return tuple(str(mode) for mode in modes) if isinstance(modes, list | tuple) else ()


@dataclass(frozen=True, slots=True)
class Document:
    service: str
    hash: str
    guards: tuple[GuardPolicy, ...]

    def having(self, policy: str) -> tuple[GuardPolicy, ...]:
        return tuple(guard for guard in self.guards if policy in guard.policies)

    @property
    def criticalities(self) -> tuple[str, ...]:
        return tuple(c for c in CRITICALITIES if any(g.criticality == c for g in self.guards))


def parse(document: object) -> Document:
    """Check a policy document. Every problem is named in one `ConfigurationError`."""
    problems: list[str] = []
    if not isinstance(document, Mapping):
        raise ConfigurationError([f"policy document is a {type(document).__name__}; allowed: an object"])
    if document.get("schema") != SCHEMA:
        problems.append(f"policy document: schema is {document.get('schema')!r}; allowed: {SCHEMA!r}")
    service = document.get("service")
    if not is_name(service):
        problems.append(f"policy document: service is {service!r}; allowed: {NAME}")
    entries = document.get("guards")
    if not isinstance(entries, list):
        problems.append("policy document: guards is missing; allowed: a list")
        entries = []
    guards = [_guard(f"guards[{i}]", entry, problems) for i, entry in enumerate(entries)]
    names = [guard.name for guard in guards if guard]
    problems += [
        f"guard {n!r} is declared {names.count(n)} times; allowed: once"
        for n in sorted(set(names))
        if names.count(n) > 1
    ]
    if problems:
        raise ConfigurationError(problems)
    return Document(
        service=str(service),
        hash=str(document.get("hash", "")),
        guards=tuple(sorted((g for g in guards if g), key=lambda g: g.name)),
    )


def _guard(where: str, entry: object, problems: list[str]) -> GuardPolicy | None:
    if not isinstance(entry, Mapping) or not is_name(entry.get("name")):
        found = f"{entry['name']!r}" if isinstance(entry, Mapping) and "name" in entry else "missing"
        problems.append(f"{where}: name is {found}; allowed: {NAME}")
        return None
    name = str(entry["name"])
    where = f"guard {name!r}"
    criticality = entry.get("criticality", "default")
    if criticality not in CRITICALITIES:
        problems.append(f"{where}: criticality is {criticality!r}; allowed: {', '.join(CRITICALITIES)}")
    operations = entry.get("operations") or ["default"]
    if not isinstance(operations, list) or not all(
        isinstance(o, str) and _OPERATION.fullmatch(o) for o in operations
    ):
        problems.append(
            f"{where}: operations is {operations!r}; allowed: a list of names of letters, digits, _.-"
        )
        operations = []
    policies = entry.get("policies", {})
    if not isinstance(policies, Mapping) or not all(isinstance(s, Mapping) for s in policies.values()):
        problems.append(f"{where}: policies is {policies!r}; allowed: an object of objects")
        policies = {}
    problems += [
        f"{where}: policy {p!r} is unknown; allowed: {', '.join(POLICIES)}"
        for p in policies
        if p not in POLICIES
    ]
    problems += _numbers(where, policies)
    fingerprint = entry.get("hash", "")
    if not isinstance(fingerprint, str) or not _HASH.fullmatch(fingerprint):
        problems.append(f"{where}: hash is {fingerprint!r}; allowed: 16 hexadecimal digits")
    return GuardPolicy(
        name=name,
        description=str(entry.get("description", "")),
        criticality=str(criticality),
        operations=tuple(operations),
        policies=policies,
        objectives=_objectives(where, entry.get("objectives"), problems),
        hash=str(fingerprint),
        family=_bounds(where, entry.get("family"), problems),
    )


def _bounds(where: str, entry: object, problems: list[str]) -> dict[str, float]:
    if entry is None:
        return {}
    bounds = entry if isinstance(entry, Mapping) else {}
    found = {name: bounds.get(name) for name in ("most", "idle_for")}
    good = {
        name: float(value)
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
    }
    if len(good) < len(found):
        problems.append(f"{where}: family is {entry!r}; allowed: an object with numbers most and idle_for")
    return good


def _objectives(where: str, entry: object, problems: list[str]) -> dict[str, float]:
    if entry is None:
        return {}
    if not isinstance(entry, Mapping):
        problems.append(f"{where}: objectives is {entry!r}; allowed: an object or null")
        return {}
    found: dict[str, float] = {}
    for key, value in entry.items():
        if key not in ("success", "undegraded"):
            problems.append(f"{where}: objective {key!r} is unknown; allowed: success, undegraded")
        elif value is not None:
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1:
                found[key] = float(value)
            else:
                problems.append(f"{where}: objectives.{key} is {value!r}; allowed: a number > 0 and < 1")
    return found


def _numbers(where: str, policies: Mapping[str, Mapping[str, object]]) -> list[str]:
    problems = []
    for policy, settings in policies.items():
        for setting, value in settings.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                ratio = setting in _RATIOS.get(policy, ())
                if not math.isfinite(value) or value < 0 or (ratio and not 0 < value <= 1):
                    allowed = "a number > 0 and <= 1" if ratio else "a finite number >= 0"
                    problems.append(f"{where}: {policy}.{setting} is {value!r}; allowed: {allowed}")
    return problems


def is_name(value: object) -> bool:
    """What services and guards may be called: what `seawall.resilience` takes, too."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= 200
        and not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in value)
    )
