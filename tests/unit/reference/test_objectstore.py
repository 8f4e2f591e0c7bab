"""The fsspec filesystem against the store that the demo runs, over the store's own ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from reference.dependencies.store import Objects, create_app
from reference.objectstore import ObjectStoreFileSystem, open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ObjectStoreFileSystem]:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(create_app(tmp_path / "objects")))
    filesystem, prefix = open_store("objects://store:1/exports", client=client)
    assert prefix == "exports"
    assert isinstance(filesystem, ObjectStoreFileSystem)
    yield filesystem
    await filesystem.aclose()


@pytest.mark.parametrize("key", ["a.csv", "exports/2026/a b.csv", "exports/ä%2F", "../up"])
async def test_an_object_comes_back_as_it_was(store: ObjectStoreFileSystem, key: str) -> None:
    await store._pipe_file(f"objects://{key}", b"content")
    assert await store._cat_file(key) == b"content"
    assert await store._info(key) == {"name": key, "size": 7, "type": "file"}
    assert await store._ls("", detail=False) == [key]


def test_no_key_leads_out_of_the_folder(tmp_path: Path) -> None:
    objects = Objects(tmp_path / "objects")
    for key in ("../up", "/root", "..", ".part-x"):
        objects.put(key, b"")
    assert {path.parent for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / "objects"}


async def test_a_later_object_replaces_the_earlier(store: ObjectStoreFileSystem) -> None:
    await store._pipe_file("a", b"1")
    await store._pipe_file("a", b"2")
    assert await store._cat_file("a") == b"2"


async def test_listing_by_prefix(store: ObjectStoreFileSystem) -> None:
    for key in ("a/1", "a/2", "b/1"):
        await store._pipe_file(key, b"")
    assert await store._ls("a/", detail=False) == ["a/1", "a/2"]


async def test_what_is_not_there_is_not_found(store: ObjectStoreFileSystem) -> None:
    for attempt in (store._cat_file, store._info, store._rm_file):
        with pytest.raises(FileNotFoundError):
            await attempt("nothing")


async def test_a_removed_object_is_gone(store: ObjectStoreFileSystem) -> None:
    await store._pipe_file("a", b"1")
    await store._rm_file("a")
    assert await store._ls("", detail=False) == []


async def test_any_fsspec_filesystem_will_do(tmp_path: Path) -> None:
    filesystem, prefix = open_store(f"file://{tmp_path}")
    await filesystem._pipe_file(f"{prefix}/a", b"1")
    assert (tmp_path / "a").read_bytes() == b"1"
