"""A folder of processes, named to the manager, to ``install`` or by the environment."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.unit.telemetry.workers import MADE, Scraper, Worker, files

from seawall.resilience import Breaker, ConfigurationError, Registry
from seawall.startup import FolderError, ResilienceManager, install
from seawall.telemetry.processes import folder as folders

VARIABLE = "SEAWALL_PROCESSES_DIR"


@pytest.fixture(autouse=True)
def _workers_end(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(VARIABLE, raising=False)
    yield
    while MADE:
        MADE.pop().die()


@pytest.fixture
def registry() -> Registry:
    registry = Registry("shop")
    registry.guard("bank", breaker=Breaker())
    return registry


def calls(manager: ResilienceManager) -> str:
    page = TestClient(manager.app).get("/metrics").text
    line = 'seawall_calls_total{dependency="bank",operation="default",outcome="success"} '
    return page.partition(line)[2].partition("\n")[0]


def test_the_page_of_a_manager_is_that_of_all_processes(tmp_path: Path, registry: Registry) -> None:
    other = Worker(tmp_path)
    other.call(3)
    manager = ResilienceManager(registry, "shop", logs=None, processes=tmp_path)
    assert files(tmp_path) == [other.name]
    with manager:
        registry.get("bank").call(int)  # type: ignore[union-attr]
        assert calls(manager) == "4.0"
        assert Scraper(tmp_path).calls() == 4
        assert len(files(tmp_path)) == 2
    assert calls(manager) == "4.0"


@pytest.mark.parametrize(
    ("said", "given", "shared"), [("yes", None, True), ("yes", "", False), (None, None, False)]
)
def test_the_environment_is_asked_when_nothing_is_said(
    tmp_path: Path,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
    said: str | None,
    given: str | None,
    shared: bool,
) -> None:
    if said:
        monkeypatch.setenv(VARIABLE, str(tmp_path))
    with ResilienceManager(registry, "shop", logs=None, processes=given):
        assert len(files(tmp_path)) == shared


def test_a_folder_of_the_wrong_kind_is_one_of_the_settings_that_cannot_be(registry: Registry) -> None:
    wrong: Any = 7
    with pytest.raises(
        ConfigurationError, match="processes is 'int'; allowed: the path of a folder, or None"
    ):
        ResilienceManager(registry, "shop", processes=wrong)


def test_a_folder_that_cannot_be_is_told_at_once(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="can't use folder"):
        install(object(), registry, logs=None, processes=tmp_path / "file")  # type: ignore[arg-type]


def test_without_room_an_application_does_not_start_and_says_why(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError

    served = install(app, registry, logs=None, processes=tmp_path)
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full)
    asyncio.run(served({"type": "lifespan"}, receive, send))
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "no room for" in sent[0]["message"]
    assert folders.folder_of(tmp_path).own == {}
