"""An fsspec filesystem over the HTTP object store: `objects://host:port`, keys as paths."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import fsspec
import httpx
from fsspec.asyn import AsyncFileSystem
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

PROTOCOL = "objects"


class ObjectStoreFileSystem(AsyncFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """The part of fsspec that whole objects need: pipe, cat, info, ls, rm. Made for one event loop.

    Raises FileNotFoundError for a key that is not there, httpx errors for a store that can't be reached.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, host: str, *, client: httpx.AsyncClient | None = None, **options: Any) -> None:
        super().__init__(asynchronous=True, **options)
        self._client = client or httpx.AsyncClient(timeout=httpx.Timeout(5.0))
        self._root = f"http://{host}/objects"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(f"{PROTOCOL}://").lstrip("/")

    def _url(self, path: str) -> str:
        return f"{self._root}/{quote(self._strip_protocol(path), safe='')}"

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        (await self._client.put(self._url(path), content=value)).raise_for_status()

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        answer = _found(await self._client.get(self._url(path)), path)
        return answer.content[start:end]

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        answer = _found(await self._client.head(self._url(path)), path)
        size = int(answer.headers["content-length"])
        return {"name": self._strip_protocol(path), "size": size, "type": "file"}

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        answer = await self._client.get(self._root, params={"prefix": self._strip_protocol(path)})
        answer.raise_for_status()
        found = [{"name": one["key"], "size": one["size"], "type": "file"} for one in answer.json()]
        return found if detail else [one["name"] for one in found]

    async def _rm_file(self, path: str, **_: Any) -> None:
        _found(await self._client.delete(self._url(path)), path)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _found(answer: httpx.Response, path: str) -> httpx.Response:
    if answer.status_code == 404:
        raise FileNotFoundError(path)
    return answer.raise_for_status()


def open_store(url: str, *, client: httpx.AsyncClient | None = None) -> tuple[AsyncFileSystem, str]:
    """The filesystem behind any fsspec URL, with async methods, and the path that objects go under."""
    protocol, _, rest = url.partition("://")
    if protocol == PROTOCOL:
        host, _, prefix = rest.partition("/")
        return ObjectStoreFileSystem(host, client=client), prefix
    filesystem = fsspec.filesystem(protocol, asynchronous=True)
    if not filesystem.async_impl:
        filesystem = AsyncFileSystemWrapper(filesystem)
    return filesystem, rest
