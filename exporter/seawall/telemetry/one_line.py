"""Whatever is logged comes out on one line: control characters and line separators are written as escapes."""

from __future__ import annotations

import re

from structlog.typing import EventDict, WrappedLogger

#: Longest text of one value, in characters.
LONGEST = 1024

# Controls (ESC and NEL too), line and paragraph separators, marks that turn a text's direction, surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text cut to `LONGEST`, with everything that is no ordinary character as ``\\uXXXX``."""
    if len(text) > LONGEST:
        text = text[:LONGEST] + "..."
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(_: WrappedLogger, __: str, entry: EventDict) -> EventDict:
    """A structlog processor: every key and text of an entry, however nested, made plain."""
    return {plain(str(key)): _plain(value) for key, value in entry.items()}


def _plain(value: object) -> object:
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(str(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return type(value).__name__
