"""Which ports the demo uses, and whether they are free."""

from __future__ import annotations

import socket
from dataclasses import dataclass, fields

HOST = "127.0.0.1"


class PortsTaken(Exception):
    """Some ports are in use; the text names all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """One port for each thing that listens. The defaults are the usual ones where there is such a thing."""

    service: int = 8080
    exporter: int = 9464
    prometheus: int = 9090
    alertmanager: int = 9093
    webhook: int = 9099
    otlp_grpc: int = 4317
    otlp_http: int = 4318
    faults: int = 18080
    bank: int = 18081
    store: int = 18082
    cache: int = 18083
    mail: int = 18084
    bank_direct: int = 18091
    store_direct: int = 18092
    cache_direct: int = 18093
    mail_direct: int = 18094

    @classmethod
    def from_base(cls, base: int) -> Ports:
        """All ports in one row, from `base` on. Raises ValueError where there is no room for them."""
        names = [field.name for field in fields(cls)]
        if not 1 <= base <= 65_536 - len(names):
            raise ValueError(f"the port base must be 1 to {65_536 - len(names)}, got {base}")
        return cls(**{name: base + number for number, name in enumerate(names)})

    def check(self) -> None:
        """Raise PortsTaken when one of them can't be listened on."""
        taken = []
        for field in fields(self):
            port = getattr(self, field.name)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except OSError as problem:
                    taken.append(f"{port} ({field.name.replace('_', ' ')}: {problem.strerror})")
        if taken:
            raise PortsTaken(
                f"can't listen on {HOST}: {', '.join(taken)}."
                " Free them, or move all ports of the demo with --port-base N."
            )


def answers(port: int) -> bool:
    """Whether somebody listens on a port now."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HOST, port)) == 0
