"""Which format and coding a scraper wants, from its Accept headers (RFC 9110, with quality values)."""

from __future__ import annotations

from collections.abc import Iterator

_OPENMETRICS_VERSIONS = frozenset({"", "0.0.1", "1.0.0"})


def wants_openmetrics(accept: str) -> bool:
    """Whether OpenMetrics 1.0 is preferred to the text format; what can't be understood asks for neither."""
    openmetrics = text = 0.0
    for kind, parameters, quality in _choices(accept):
        if kind == "application/openmetrics-text" and parameters.get("version", "") in _OPENMETRICS_VERSIONS:
            openmetrics = max(openmetrics, quality)
        elif kind in ("text/plain", "text/*"):
            text = max(text, quality)
    return openmetrics > 0 and openmetrics >= text


def wants_gzip(accept_encoding: str) -> bool:
    """Whether gzip may be used; ``*`` alone is not taken as a wish for it."""
    return any(coding == "gzip" and quality > 0 for coding, _, quality in _choices(accept_encoding))


def _choices(header: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for choice in header.split(","):
        name, *rest = (part.strip() for part in choice.split(";"))
        parameters = {
            key.strip().lower(): value.strip().strip('"')
            for key, found, value in (part.partition("=") for part in rest)
            if found
        }
        yield name.lower(), parameters, _quality(parameters.pop("q", "1"))


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
