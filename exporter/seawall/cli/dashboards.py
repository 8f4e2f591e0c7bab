"""``seawall dashboards import``: dashboards into a Grafana over its HTTP API."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from seawall.cli import boards as options
from seawall.cli.loading import load_document
from seawall.cli.problem import CliError
from seawall.resilience import ConfigurationError

if TYPE_CHECKING:
    from seawall import alerts
    from seawall.dashboards.importing import Board

EXTRA = ("grafanalib", "httpx", "jinja2", "yaml")
#: Of what is parsed under another name.
FLAGS = {"recorded": "--without-rules"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    text = "bring dashboards into a Grafana, or up to date there"
    found = actions.add_parser("import", help=text, description=text[0].upper() + text[1:] + ".")
    found.add_argument(
        "--url", required=True, metavar="URL", help="Grafana's root, with its sub-path if it has one"
    )
    found.add_argument(
        "--token-file", required=True, type=Path, metavar="FILE", help="file with a service account's token"
    )
    source = found.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--from",
        dest="source",
        metavar="SOURCE",
        help="module:registry, the URL of a running exporter, or a policy document (.json)",
    )
    source.add_argument(
        "--dir", dest="folder_of_files", type=Path, metavar="DIR", help="dashboards in files, as they are"
    )
    found.add_argument(
        "--folder", metavar="TITLE", help="made if there is none (default: that of --boards, or Resilience)"
    )
    found.add_argument("--folder-uid", default="", metavar="UID", help="a folder that exists, instead")
    found.add_argument("--dry-run", action="store_true", help="say what would be done, and write nothing")
    found.add_argument(
        "--api",
        choices=("auto", "classic", "apps"),
        default="auto",
        help="/api, or /apis of Grafana 12 and later (default: auto, what is there)",
    )
    found.add_argument(
        "--namespace",
        default="default",
        help="of the /apis: default, org-<id> or stacks-<id> (default: default)",
    )
    found.add_argument("--ca-file", type=Path, metavar="FILE", help="certificates (PEM) to trust instead")
    found.add_argument(
        "--timeout", type=float, default=10.0, metavar="S", help="seconds for each wait (default: 10)"
    )
    options.add_arguments(found)


def run(arguments: argparse.Namespace) -> int:
    try:
        from seawall import alerts
        from seawall.dashboards import importing
    except ModuleNotFoundError as error:
        if error.name in EXTRA:
            raise CliError(
                f"importing needs {error.name}, which is not installed: pip install 'seawall[generate]'"
            ) from None
        raise
    try:
        boards, folder = _boards(arguments, alerts.Options)
        target = importing.Target(
            url=arguments.url,
            token=importing.read_token(arguments.token_file),
            folder=folder if arguments.folder is None else arguments.folder,
            folder_uid=arguments.folder_uid,
            api=arguments.api,
            namespace=arguments.namespace,
            ca_file=arguments.ca_file,
            timeout=arguments.timeout,
        )
        with importing.connect(target) as api:
            made = importing.plan(api, boards, target)
            would = "would be " if arguments.dry_run else ""
            if made.folder_is_new:
                print(f"{would}created    folder {_plain(made.folder.title)}", flush=True)
            outcomes = []
            for outcome in made.outcomes() if arguments.dry_run else importing.carry_out(api, made):
                before = would if outcome.what != "unchanged" else " " * len(would)
                print(f"{before}{outcome.what:<10} {outcome.uid}  {outcome.title}", flush=True)
                outcomes.append(outcome.what)
    except importing.ImportProblem as error:
        raise CliError.listing("can't import", error.problems) from None
    counted = ", ".join(f"{count} {what}" for what, count in sorted(Counter(outcomes).items()))
    tried = "dry run, nothing written: " if arguments.dry_run else ""
    print(f"{tried}{len(outcomes)} dashboards in {_plain(made.folder.title)} ({api.name} API): {counted}")
    return 0


def _boards(arguments: argparse.Namespace, rules: type[alerts.Options]) -> tuple[tuple[Board, ...], str]:
    """What to bring, and the folder that it belongs to unless another is named."""
    from seawall import dashboards
    from seawall.dashboards import importing

    given = options.given(arguments)
    if arguments.folder_of_files is not None:
        if made := [name for name in options.ASKED if name in given]:
            flags = ", ".join(FLAGS.get(name, f"--{name.replace('_', '-')}") for name in made)
            raise CliError(f"--dir takes dashboards as they are; allowed: {flags} with --from")
        return importing.read_folder(arguments.folder_of_files), dashboards.Options().folder
    base = options.own(arguments)
    document = load_document(arguments.source)
    try:
        pace = {name: given[name] for name in ("scrape_interval", "time_factor") if name in given}
        chosen = options.options(base, given, rules(**options.of_rules(base) | pace))
        return importing.parse(dashboards.build(document, chosen)), chosen.folder
    except (ConfigurationError, dashboards.OptionsError) as error:
        raise CliError.listing(f"can't generate from {arguments.source}", error.problems) from None
    except dashboards.DocumentError as error:
        raise CliError(f"can't generate from {arguments.source}: {error}") from None


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)
