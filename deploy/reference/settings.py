"""Where the reference service finds what it depends on: read once, from the environment, at start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PREFIX = "RECONCILIATION_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Addresses and folders of one service process. Every field can be set as RECONCILIATION_<FIELD>."""

    database_url: str = "sqlite:///reconciliation.db"
    """sqlite:///path, or postgresql://user@host/database."""
    cache_url: str = ""
    """redis://host:port/0; empty keeps the cache in the process."""
    bank_url: str = "http://127.0.0.1:18081"
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 18025
    store_url: str = "objects://127.0.0.1:18082"
    """Any fsspec URL; objects:// is the HTTP store of `reference.dependencies.store`."""
    data: Path = Path("reconciliation-data")
    """Folder for what waits to be sent: the mail outbox and the spooled files."""
    port: int = 8080
    exporter_port: int = 9464
    otlp_endpoint: str = ""
    """http://host:4317 for OTLP over gRPC; empty sends no traces."""
    otlp_protocol: Literal["grpc", "http"] = "grpc"
    drain_every: float = 0.5
    """Seconds between two looks at what waits to be sent."""
    request_timeout: float = 1.5
    """Seconds that a request may take in all; what runs longer is answered with 503."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the settings. Raises ValueError naming the variable when a number is none."""
        found: dict[str, object] = {}
        for name in cls.__dataclass_fields__:
            text = environment.get(PREFIX + name.upper())
            if text is not None:
                found[name] = _convert(name, text, type(cls.__dataclass_fields__[name].default))
        return cls(**found)  # type: ignore[arg-type]  # each was converted to its field's type


def _convert(name: str, text: str, kind: type) -> object:
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"{PREFIX}{name.upper()} must be a number, got {text!r}") from None
    return text if kind is str else Path(text)
