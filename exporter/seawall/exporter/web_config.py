"""A web-config file, in the format that Prometheus exporters share: TLS, users and headers of the exporter.

Whatever is wrong with it is told at once, in one error. No message quotes a value that may be a secret.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import yaml

from seawall.exporter import web_tls
from seawall.exporter.web_problems import Section, why
from seawall.resilience import ConfigurationError

#: Bytes of the file at most.
_MOST = 1024 * 1024
#: Each step doubles the time of a check; 15 is two seconds of it.
_MOST_COST = 15
_HASH = re.compile(r"\$2[aby]\$(?P<cost>\d\d)\$(?P<salt>[./A-Za-z0-9]{22})[./A-Za-z0-9]{31}", re.ASCII)
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}


@dataclass(frozen=True, slots=True)
class WebConfig:
    """``files``: the file itself and all that it names. ``users``: bcrypt hashes by name."""

    path: Path
    files: tuple[Path, ...]
    tls: ssl.SSLContext | None
    client_allowed_sans: frozenset[str]
    users: Mapping[str, bytes]
    headers: Mapping[str, str]


def load(path: Path) -> WebConfig:
    """`ConfigurationError` with everything that is wrong with the file and those that it names."""
    problems: list[str] = []
    top = Section("", _document(path), problems, prefix=f"{path}: ")
    tls = web_tls.build(section, path.parent) if (section := top.section("tls_server_config")) else None
    users = _users(top)
    headers = _headers(section) if (section := top.section("http_server_config")) else {}
    top.done()
    if problems:
        raise ConfigurationError(problems)
    return WebConfig(
        path,
        (path, *(tls.files if tls else ())),
        tls.context if tls else None,
        tls.client_allowed_sans if tls else frozenset(),
        users,
        headers,
    )


def _document(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST + 1)
    except (OSError, ValueError) as error:
        raise ConfigurationError([f"{path}: can't be read: {why(error)}"]) from None
    if len(text) > _MOST:
        raise ConfigurationError([f"{path}: is longer than {_MOST} bytes"])
    try:
        found = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        at = f" (line {mark.line + 1})" if mark is not None else ""
        raise ConfigurationError([f"{path}: is no YAML without keys that come twice{at}"]) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigurationError([f"{path}: is no YAML"]) from None
    if not isinstance(found, dict) or not found:
        what = "is empty" if not found else "is no mapping"
        raise ConfigurationError(
            [f"{path}: {what}; allowed: tls_server_config, basic_auth_users, http_server_config"]
        )
    return found


class _Loader(yaml.SafeLoader):
    """Of a key that comes twice, YAML would silently take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(problem="twice", problem_mark=key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)


def _users(top: Section) -> dict[str, bytes]:
    section = top.section("basic_auth_users")
    if section is None:
        return {}
    users = {}
    for number, (name, hashed) in enumerate(section.items(), 1):
        if not isinstance(name, str) or not name or ":" in name or not name.isprintable():
            section.fail(f"name {number}", "is no user name; allowed: printable text without a colon, quoted")
            continue
        good = _HASH.fullmatch(hashed) if isinstance(hashed, str) else None
        if good is None or not _is_salted(good):
            section.fail(name, "is no bcrypt hash; allowed: $2a$, $2b$ or $2y$, cost, salt and hash")
        elif int(good["cost"]) > _MOST_COST:
            section.fail(name, f"has cost {good['cost']}; allowed: 04 to {_MOST_COST}")
        else:
            users[name] = good[0].encode()
    return users


def _is_salted(hashed: re.Match[str]) -> bool:
    """Whether bcrypt takes cost and salt; asked with the lowest cost."""
    try:
        bcrypt.hashpw(b"", f"$2b$04${hashed['salt']}".encode())
    except ValueError:
        return False
    return hashed["cost"] >= "04"


def _headers(section: Section) -> dict[str, str]:
    # HTTP/1.1 is spoken whatever it says.
    section.flag("http2", default=False)
    headers = {}
    if (found := section.section("headers")) is not None:
        for name, allowed in _HEADERS.items():
            value = found.text(name)
            if value is None:
                continue
            if allowed and value.lower() not in allowed:
                found.fail(name, f"is not allowed; allowed: {', '.join(allowed)}")
            elif not (value.isascii() and value.isprintable()):
                found.fail(name, "is no header; allowed: printable ASCII")
            else:
                headers[name] = value
        found.done()
    section.done()
    return headers
