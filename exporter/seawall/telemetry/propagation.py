"""Headers between services: W3C trace context and the correlation id, in and out."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter

from seawall.telemetry import correlation

Headers = Iterable[tuple[bytes, bytes]]

#: More than one of these makes the context ambiguous: then it is not taken over.
_SINGLE = frozenset({"traceparent"})


class _HeaderGetter(Getter[dict[str, list[str]]]):
    def get(self, carrier: dict[str, list[str]], key: str) -> list[str] | None:
        values = carrier.get(key.lower())
        if values is None or (len(values) > 1 and key.lower() in _SINGLE):
            return None
        return values

    def keys(self, carrier: dict[str, list[str]]) -> list[str]:
        return list(carrier)


_GETTER = _HeaderGetter()


def decoded(headers: Headers) -> dict[str, list[str]]:
    """Headers of an ASGI scope by lower-case name; each value as Latin-1, which any bytes are."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def extract(headers: dict[str, list[str]]) -> Context:
    """The caller's trace context; an empty one when the headers have none or an invalid one."""
    return propagate.extract(headers, context=Context(), getter=_GETTER)


def correlation_id(headers: dict[str, list[str]]) -> str:
    """The caller's correlation id when it sent a valid one, else a new one."""
    return correlation.accept(headers.get(correlation.HEADER.lower(), ()))


def inject(headers: MutableMapping[str, str]) -> None:
    """Add the trace context and correlation id of here and now to an outbound request's headers."""
    propagate.inject(headers)
    identifier = correlation.current()
    if identifier:
        headers[correlation.HEADER] = identifier
