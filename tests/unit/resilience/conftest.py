"""Every rule of a guard is tested in `def` and in `async def`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from tests.unit.resilience.bench import Bench
from tests.unit.resilience.crowds import Crowd


@pytest.fixture(params=["sync", "async"])
def bench(request: pytest.FixtureRequest) -> Callable[..., Bench]:
    return partial(Bench, request.param)


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Crowd:
    return Crowd(monkeypatch)
