"""Turns errors of a module's settings into something to act on: where, what, and what is allowed instead."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
import traceback
from pathlib import Path

import seawall.resilience

#: Where settings are, of those that are loaded.
PLACES = ("seawall.resilience", "seawall.dashboards", "seawall.dashboards.panels")
_UNKNOWN = re.compile(r"^(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")
_OURS = Path(seawall.resilience.__file__).parents[1]


def unknown_setting(error: BaseException) -> str | None:
    """What a ``TypeError`` about a setting that does not exist means; ``None`` for any other."""
    found = _UNKNOWN.match(str(error)) if isinstance(error, TypeError) else None
    if found is None:
        return None
    owner, name = found.groups()
    places = [module for name in PLACES if (module := sys.modules.get(name)) is not None]
    policy = next((getattr(module, owner) for module in places if hasattr(module, owner)), None)
    if policy is None:
        return None
    taken = ("self", "name", "registry") if policy is seawall.resilience.Guard else ("self",)
    allowed = [p for p in inspect.signature(policy).parameters if p not in taken]
    close = difflib.get_close_matches(name, allowed, n=1)
    meant = f", did you mean {close[0]}?" if close else ";"
    return f"{owner} has no setting {name}{meant} allowed: {', '.join(allowed)}"


def place(error: BaseException) -> str:
    """The line of the user's own code that raised, as `` (guards.py, line 12)``; "" when it is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not f.filename.startswith("<") and _OURS not in Path(f.filename).parents]
    own = [f for f in own if Path(f.filename).parent.name != "importlib"]
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
