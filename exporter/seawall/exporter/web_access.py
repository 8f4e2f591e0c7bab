"""What a web-config file grants now: it is read again when it, or a file that it names, changes."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Mapping
from pathlib import Path

from seawall.exporter.basic_auth import BasicAuth
from seawall.exporter.web_config import WebConfig, load
from seawall.resilience import ConfigurationError

#: Seconds between two looks at the files.
LOOK_EVERY = 5.0

_log = logging.getLogger("seawall.exporter")


class Access:
    """For one event loop. A change that can't be is told in one line of the log, and what was stays."""

    def __init__(self, config: WebConfig) -> None:
        self._config = config
        self._stamps = stamps(config.files)
        self._looked = time.monotonic()
        self.auth = _auth(config)

    @property
    def tls(self) -> ssl.SSLContext | None:
        return self._config.tls

    @property
    def headers(self) -> Mapping[str, str]:
        return self._config.headers

    def refreshed(self) -> Access:
        """This, after a look at the files when it is time for one."""
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            # Files that are gone for a moment are about to be replaced.
            if (found := stamps(self._config.files)) != self._stamps and None not in found:
                self._stamps = found
                self._reload()
        return self

    def admits(self, transport: asyncio.BaseTransport) -> bool:
        """Whether a client's certificate, already verified, is for one of the names that are allowed."""
        allowed = self._config.client_allowed_sans
        if not allowed:
            return True
        certificate = transport.get_extra_info("peercert") or {}
        return any(name in allowed for _, name in certificate.get("subjectAltName", ()))

    def _reload(self) -> None:
        try:
            config = load(self._config.path)
        except ConfigurationError as error:
            _log.error("the web-config stays as it was: %s", error)
            return
        if bool(config.tls) is not bool(self._config.tls) or bool(config.users) is not bool(
            self._config.users
        ):
            # A file that is half written must not open the door.
            _log.error("the web-config stays as it was: TLS and users begin or end with a new start only")
            return
        if config.users != self._config.users:
            self.auth = _auth(config)
        self._config = config
        self._stamps = stamps(config.files)


def _auth(config: WebConfig) -> BasicAuth | None:
    return BasicAuth(config.users) if config.users else None


def stamps(files: tuple[Path, ...]) -> list[tuple[int, int, int] | None]:
    """What tells one state of the files from another; ``None`` for one that can't be looked at."""
    found: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return found
