"""An SMTP server, as its own process, that keeps every message it accepts as a file of a folder."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import uuid
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session


class Keeper:
    """aiosmtpd handler: a message is acknowledged after it is on disk, never before."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's)
        """Write the message, sync it, then say so."""
        part = self._folder / f".part-{uuid.uuid4()}"
        with part.open("wb") as file:
            content = envelope.content or b""
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self._folder / f"{part.name.removeprefix('.part-')}.eml")
        return "250 kept"


async def serve(port: int, folder: Path) -> asyncio.Server:
    """Listen on `port`; messages go to `folder`."""
    keeper = Keeper(folder)
    return await asyncio.get_running_loop().create_server(
        lambda: SMTP(keeper, hostname="mail.example", enable_SMTPUTF8=True), "127.0.0.1", port
    )


async def _run(port: int, folder: Path) -> None:
    server = await serve(port, folder)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="An SMTP server that keeps what it gets.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(arguments.port, arguments.folder))


if __name__ == "__main__":
    main()
