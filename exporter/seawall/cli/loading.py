"""Where policies come from: ``module:attribute``, the address of a running exporter, or a file of JSON."""

from __future__ import annotations

import importlib
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, TypeVar

from seawall.cli.problem import CliError, reason
from seawall.cli.settings_help import place, unknown_setting
from seawall.resilience import Registry

POLICIES_PATH = "/api/policies"
#: Bytes of a policy document at most. A thousand guards are about two million.
MOST = 64 * 1024 * 1024
TIMEOUT = 10.0
Named = TypeVar("Named")


def load_document(source: str) -> dict[str, Any]:
    """The policy document of a source. `CliError` says what is wrong with it."""
    if names_a_module(source):
        return load_registry(source).describe()
    if source.startswith(("http://", "https://")):
        return _object(_fetch(source), source)
    try:
        return _object(Path(source).read_bytes(), source)
    except OSError as error:
        raise CliError(f"can't read {source}: {reason(error)}") from None


def names_a_module(source: str) -> bool:
    """Whether a source is neither an address nor a file."""
    return not (source.startswith(("http://", "https://")) or source.endswith(".json") or os.sep in source)


def load_registry(source: str) -> Registry:
    """The registry that ``module:attribute`` names."""
    return load_named(source, Registry, "seawall Registry", " a .json file, or the URL of an exporter")


def load_named(source: str, kind: type[Named], what: str, others: str = "") -> Named:
    """What ``module:attribute`` names, of one kind; the current folder is on the path."""
    module_name, colon, attribute = source.partition(":")
    if not colon or not attribute or not all(part.isidentifier() for part in module_name.split(".")):
        raise CliError(f"can't load {source!r}; allowed: module:attribute{',' * bool(others)}{others}")
    found: object = _module(module_name)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise CliError(f"module {module_name} has no attribute {attribute!r}") from None
    if not isinstance(found, kind):
        raise CliError(f"{source} is a {type(found).__name__}; allowed: a {what}")
    return found


def _module(name: str) -> object:
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a module of the user's raises
        # Of policies, or of dashboards, which are not loaded here.
        if isinstance(problems := getattr(error, "problems", None), tuple | list):
            raise CliError.listing(f"settings in module {name} can't be{place(error)}", problems) from None
        if (unknown := unknown_setting(error)) is not None:
            raise CliError(f"settings in module {name} can't be{place(error)}: {unknown}") from None
        text = str(error).partition("\n")[0]
        where = "" if isinstance(error, SyntaxError) else place(error)
        raise CliError(f"can't import module {name}: {type(error).__name__}: {text}{where}") from None


def _fetch(url: str) -> bytes:
    if not url.rstrip("/").endswith(POLICIES_PATH):
        url = url.rstrip("/") + POLICIES_PATH
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # scheme was checked by the caller
            body: bytes = answer.read(MOST + 1)
    except urllib.error.HTTPError as error:
        raise CliError(f"can't read {url}: HTTP status {error.code}") from None
    except urllib.error.URLError as error:
        why = reason(error.reason) if isinstance(error.reason, OSError) else str(error.reason)
        raise CliError(f"can't read {url}: {why}") from None
    except (OSError, ValueError) as error:
        raise CliError(f"can't read {url}: {error}") from None
    if len(body) > MOST:
        raise CliError(f"can't read {url}: more than {MOST} bytes")
    return body


def _object(body: bytes, source: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise CliError(f"{source} is no JSON") from None
    if not isinstance(found, dict):
        raise CliError(f"{source} is no policy document: a {type(found).__name__}; allowed: an object")
    return found
