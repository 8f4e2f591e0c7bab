"""``seawall describe``: the policies of a service, for people or as the document that generators read."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from seawall.cli.loading import load_document, load_registry, names_a_module
from seawall.cli.problem import CliError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="SOURCE",
        help="module:registry, the URL of a running exporter, or a policy document (.json)",
    )
    parser.add_argument("--json", action="store_true", help="the policy document itself")


def run(arguments: argparse.Namespace) -> int:
    findings: tuple[str, ...] = ()
    if names_a_module(arguments.source):
        registry = load_registry(arguments.source)
        document, findings = registry.describe(), registry.lint()
    else:
        document = load_document(arguments.source)
    if arguments.json:
        print(json.dumps(document, indent=2, ensure_ascii=True))
        return 0
    try:
        text = "\n".join(lines(document))
    except (KeyError, TypeError, AttributeError):
        raise CliError(f"{arguments.source} is no policy document") from None
    print(text)
    if findings:
        print("\nto mend:", *(f"  {_plain(finding)}" for finding in findings), sep="\n")
    return 0


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The document in words: a guard a paragraph, a policy a line, outermost first."""
    guards = document["guards"]
    yield f"{_plain(document['service'])}: {len(guards)} guards, policies {_plain(document.get('hash', ''))}"
    for guard in guards:
        yield ""
        operations = ", ".join(guard["operations"])
        yield f"{_plain(guard['name'])} ({guard['criticality']}; {operations})"
        if guard.get("description"):
            yield f"  {_plain(guard['description'])}"
        if guard.get("family"):
            yield f"  {'family':<11} {_settings(guard['family'])}"
        for policy, settings in guard["policies"].items():
            yield f"  {policy:<11} {_settings(settings)}"
        if guard.get("objectives"):
            yield f"  {'objectives':<11} {_settings(guard['objectives'])}"


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} ({_settings(value)})" if isinstance(value, Mapping) else f"{name}={_plain(_value(value))}"
        for name, value in settings.items()
        if value not in (None, [], {})
    )


def _value(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _plain(text: object) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
