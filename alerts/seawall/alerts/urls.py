"""Addresses in settings: complete, as Go's parsers take them, and without a secret."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_HOST = r"(?:\[[0-9a-fA-F:.]+\]|[\w.-]+)"
_PLACE = re.compile(rf"{_HOST}:([0-9]{{1,5}})")
#: What an address may have beside what is not ASCII: RFC 3986, with a % only where it escapes.
_REST = r"(?:[A-Za-z0-9._~:/?#@!$&'()*+,;=\[\]-]|[^\x00-\xa0]|%[0-9a-fA-F]{2})*"
_URL = re.compile(rf"(?i:https?)://{_HOST}(?::([0-9]{{1,5}}))?(?:[/?#]{_REST})?")
_ALLOWED = 'an http or https address, any of "<>\\^`{|}% and spaces in it escaped, as %20'


def url_problem(url: str) -> str:
    """What is wrong with an address, to be said after its name; "" if nothing is. Repeats no secret."""
    match = _URL.fullmatch(url)
    if match and url.isprintable() and _is_port(match[1] or "80"):
        return ""
    if _has_login(url):
        return "holds a user name or password; allowed: none, secrets go by file only"
    return f"is {url!r}; allowed: {_ALLOWED}"


def is_place(text: str) -> bool:
    """Whether it is host:port; an address of IPv6 stands in brackets."""
    match = _PLACE.fullmatch(text)
    return match is not None and text.isprintable() and _is_port(match[1])


def _is_port(text: str) -> bool:
    return 0 < int(text) < 65536


def _has_login(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.username or parts.password)
    except ValueError:
        # Whatever it is: what stands before an @ is not repeated.
        return "@" in url
