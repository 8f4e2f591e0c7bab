"""Every rule of a guard is tested in `def` and in `async def`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from tests.unit.resilience.bench import Bench
from tests.unit.resilience.crowds import Crowd
from tests.unit.resilience.hanging import Hanging


@pytest.fixture(params=["sync", "async"])
def bench(request: pytest.FixtureRequest) -> Callable[..., Bench]:
    return partial(Bench, request.param)


@pytest.fixture
def crowd(monkeypatch: pytest.MonkeyPatch) -> Crowd:
    return Crowd(monkeypatch)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.gate.set()
