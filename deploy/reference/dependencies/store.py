"""An object store over HTTP, as its own process: PUT, GET, HEAD, DELETE /objects/<key>, GET /objects?prefix=.

Objects are files of a folder, their keys percent-encoded, each written beside its place, synced and
renamed, so that a PUT that was answered is there and one that was broken off has left nothing.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from urllib.parse import quote, unquote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Objects:
    """The folder that the objects are in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Where the object of this key is, or would be."""
        name = quote(key, safe="")
        # No name of a file begins with a dot: "." and ".." are folders, and ".part-" is not yet an object.
        return self._folder / (f"%2E{name[1:]}" if name.startswith(".") else name)

    def put(self, key: str, body: bytes) -> None:
        """Store an object whole; it replaces one of the same key."""
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".part-", delete=False) as part:
            part.write(body)
            part.flush()
            os.fsync(part.fileno())
        os.replace(part.name, self.path(key))

    def keys(self, prefix: str) -> list[str]:
        """Keys that begin with `prefix`, sorted."""
        names = (unquote(p.name) for p in self._folder.iterdir() if not p.name.startswith(".part-"))
        return sorted(name for name in names if name.startswith(prefix))


def create_app(folder: Path) -> Starlette:
    """The store as an ASGI app over `folder`."""
    objects = Objects(folder)

    async def listing(request: Request) -> Response:
        keys = objects.keys(request.query_params.get("prefix", ""))
        return JSONResponse([{"key": key, "size": objects.path(key).stat().st_size} for key in keys])

    async def one(request: Request) -> Response:
        key = request.path_params["key"]
        path = objects.path(key)
        if request.method == "PUT":
            try:
                body = await request.body()
            except ClientDisconnect:
                return Response(status_code=400)
            objects.put(key, body)
            return Response(status_code=204)
        if not path.is_file():
            return Response(status_code=404)
        if request.method == "DELETE":
            path.unlink()
            return Response(status_code=204)
        return Response(path.read_bytes(), media_type="application/octet-stream")

    methods = ["GET", "HEAD", "PUT", "DELETE"]
    return Starlette(routes=[Route("/objects", listing), Route("/objects/{key:path}", one, methods=methods)])


def main() -> None:
    parser = argparse.ArgumentParser(description="An object store over HTTP.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    uvicorn.run(create_app(arguments.folder), host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
