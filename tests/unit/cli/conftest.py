"""A module with a registry, as a user of the command has one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MODULE = """
from seawall.resilience import Breaker, Objectives, Registry, Timeout

registry = Registry(service="shop")
registry.guard("bank", criticality="critical", breaker=Breaker(), timeout=Timeout(total=1.0),
               objectives=Objectives(success=0.999))
registry.guard('"} or x{z="', breaker=Breaker())
number = 7
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with `shop.py` in it; what it imports is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "shop.py").write_text(MODULE, encoding="utf-8")
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]
