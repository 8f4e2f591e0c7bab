"""Headers between services: W3C trace context and the correlation id, in and out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter

from seawall.telemetry import correlation, trace_context

Headers = Iterable[tuple[bytes, bytes]]


class _HeaderGetter(Getter[dict[str, list[str]]]):
    def get(self, carrier: dict[str, list[str]], key: str) -> list[str] | None:
        return carrier.get(key.lower())

    def keys(self, carrier: dict[str, list[str]]) -> list[str]:
        return list(carrier)


_GETTER = _HeaderGetter()


def decoded(headers: Headers) -> dict[str, list[str]]:
    """Headers of an ASGI scope by lower-case name; each value as Latin-1, which any bytes are."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def from_environ(environ: Mapping[str, object]) -> dict[str, list[str]]:
    """Headers of a WSGI environment by lower-case name. Those of one name are one text there."""
    return {
        name[5:].replace("_", "-").lower(): [value]
        for name, value in environ.items()
        if name.startswith("HTTP_") and isinstance(value, str)
    }


def extract(headers: dict[str, list[str]]) -> Context:
    """The caller's trace context; an empty one when the headers have none or an invalid one."""
    return propagate.extract(_checked(headers), context=Context(), getter=_GETTER)


def _checked(headers: dict[str, list[str]]) -> dict[str, list[str]]:
    """The headers, those of the W3C as far as they are right."""
    parent = trace_context.parent(headers.get("traceparent", ()))
    right = {
        "traceparent": parent,
        "tracestate": trace_context.state(headers.get("tracestate", ())) if parent else None,
        "baggage": trace_context.baggage(headers.get("baggage", ())),
    }
    others = {name: values for name, values in headers.items() if name not in right}
    return others | {name: [value] for name, value in right.items() if value}


def correlation_id(headers: dict[str, list[str]]) -> str:
    """The caller's correlation id when it sent a valid one, else a new one."""
    return correlation.accept(headers.get(correlation.HEADER.lower(), ()))


def inject(headers: MutableMapping[str, str]) -> None:
    """Add the trace context and correlation id of here and now to an outbound request's headers."""
    propagate.inject(headers)
    identifier = correlation.current()
    if identifier:
        headers[correlation.HEADER] = identifier
