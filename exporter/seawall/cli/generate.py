"""``seawall generate``: dashboards, rules, tests, configuration and runbooks from a service's policies."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from seawall.cli import boards, bundle, generate_kubernetes
from seawall.cli.loading import load_document
from seawall.cli.problem import CliError, Gathered, reason
from seawall.resilience import ConfigurationError

EXTRA = ("grafanalib", "jinja2", "yaml")
#: Where the files of each part are, below the folder.
PARTS = {
    "alerts": ("alertmanager/", "prometheus/", "runbooks/", "kubernetes/prometheus-operator/"),
    "dashboards": ("dashboards/", "grafana/", "kubernetes/grafana-"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="source",
        required=True,
        metavar="SOURCE",
        help="module:registry, the URL of a running exporter, or a policy document (.json)",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="where the files go")
    parser.add_argument(
        "--check",
        action="store_true",
        help="change nothing; exit 1 and say what differs when DIR is not up to date",
    )
    parser.add_argument("--only", choices=sorted(PARTS), help="write this part alone")
    bundle_options = parser.add_argument_group("where things are")
    bundle_options.add_argument("--job", help="job label of the service's targets (default: its name)")
    bundle_options.add_argument("--cluster", help="external label of this Prometheus")
    bundle_options.add_argument(
        "--exporter",
        dest="targets",
        action="append",
        metavar="HOST:PORT",
        help="an exporter to scrape; repeatable",
    )
    bundle_options.add_argument(
        "--alertmanager", dest="alertmanagers", action="append", metavar="HOST:PORT", help="repeatable"
    )
    bundle_options.add_argument("--webhook-url", metavar="URL", help="where notifications go")
    bundle_options.add_argument(
        "--webhook-token-file", metavar="FILE", help="file with the webhook's bearer token"
    )
    bundle_options.add_argument(
        "--dashboard-url", dest="dashboard_base_url", metavar="URL", help="Grafana's address"
    )
    bundle_options.add_argument(
        "--runbook-url", dest="runbook_base_url", metavar="URL", help="where runbooks are"
    )
    bundle_options.add_argument("--prometheus-url", metavar="URL", help="Prometheus as Grafana reaches it")
    bundle_options.add_argument("--dashboards-path", metavar="DIR", help="where Grafana finds the dashboards")
    told = parser.add_argument_group("who is told")
    told.add_argument(
        "--receivers",
        dest="notify",
        type=Path,
        metavar="FILE",
        help="receivers and mute times (TOML), instead of one webhook",
    )
    told.add_argument(
        "--check-secrets", action="store_true", help="the receivers' files must be on this machine, readable"
    )
    parser.add_argument(
        "--target",
        metavar="SERVER=VERSION,...",
        help="versions to write for (default: prometheus=2.42,alertmanager=0.25, which newer ones take too)",
    )
    generate_kubernetes.add_arguments(parser)
    boards.add_arguments(parser)
    pace = parser.add_argument_group("pace of rules and notifications, in seconds")
    for name, text in (
        ("evaluation-interval", "default 15"),
        ("group-wait", "before the first notification of a group"),
        ("group-interval", "between notifications of a group"),
        ("repeat-interval", "before a notification is repeated"),
    ):
        pace.add_argument(f"--{name}", type=float, metavar="S", help=text)


def run(arguments: argparse.Namespace) -> int:
    folder = Path(arguments.out)
    files = make(arguments)
    elsewhere = next((paths for part, paths in PARTS.items() if arguments.only not in (None, part)), ())
    if arguments.check:
        difference = bundle.compare(folder, files, elsewhere)
        for line in difference.lines():
            print(line)
        print(f"{folder}: {'not up to date' if difference else 'up to date'}")
        return 1 if difference else 0
    for line in bundle.write(folder, files, elsewhere):
        print(f"seawall: {line}", file=sys.stderr)
    print(f"{len(files)} files in {folder}")
    return 0


def make(arguments: argparse.Namespace) -> dict[str, str]:
    """All files of the bundle by path below the folder, sorted. `CliError` says all that is in the way."""
    try:
        from seawall import alerts, dashboards
    except ModuleNotFoundError as error:
        if error.name in EXTRA:
            raise CliError(
                f"generating needs {error.name}, which is not installed: pip install 'seawall[generate]'"
            ) from None
        raise
    gathered = Gathered(f"can't generate from {arguments.source}")
    take = gathered.take
    take(lambda: bundle.refuse(arguments.out))
    document = take(lambda: _document(arguments.source)) or {}
    base, given = take(lambda: boards.own(arguments)) or dashboards.Options(), boards.given(arguments)
    rules = take(lambda: _rules(arguments, boards.of_rules(base) | given))
    # What is wrong with labels and pace the rules have said.
    mine = {k: v for k, v in given.items() if rules or k not in (*boards.LABELS, *boards.PACE)}
    options = take(lambda: boards.options(base, mine, rules or alerts.Options()))
    operated = take(lambda: alerts.KubernetesOptions(**generate_kubernetes.of_alerts(arguments)))
    cluster = take(
        lambda: dashboards.KubernetesOptions(
            folder=(options or base).folder, **generate_kubernetes.of_dashboards(arguments)
        )
    )
    files: dict[str, str] = {}

    def of_rules() -> bool:
        files.update(alerts.build(document, rules or alerts.Options()))
        if arguments.kubernetes and rules and operated:
            resources = alerts.build_kubernetes(document, files, rules, operated)
            files.update({f"kubernetes/{name}": text for name, text in resources.items()})
        return True

    def of_boards() -> None:
        chosen = options or dashboards.Options()
        try:
            made = dashboards.build(document, chosen)
        except dashboards.DocumentError as error:
            raise CliError(f"{gathered.what}: {error}") from None
        files.update({f"dashboards/{name}": text for name, text in made.items()})
        provisioning = dashboards.build_provisioning(chosen)
        files.update({f"grafana/provisioning/{name}": text for name, text in provisioning.items()})
        if arguments.kubernetes and cluster:
            resources = dashboards.build_kubernetes(made, cluster)
            files.update({f"kubernetes/{name}": text for name, text in resources.items()})

    # A document that one of them can't take is not told of twice.
    if document and (arguments.only == "dashboards" or take(of_rules)) and arguments.only != "alerts":
        take(of_boards)
    gathered.tell()
    return dict(sorted(files.items()))


def _document(source: str) -> dict[str, Any]:
    document = load_document(source)
    if document.get("guards") == []:
        raise CliError(f"{source} has no guards; allowed: at least one")
    return document


def _rules(arguments: argparse.Namespace, given: dict[str, Any]) -> Any:
    """The options of rules and notifications. All that is wrong with both is in one error."""
    from seawall import alerts

    problems: list[str] = []
    chosen = _chosen(alerts.Options, given)
    if arguments.notify is not None:
        problems += [
            f"--receivers and --{name.replace('_', '-')} are both given; allowed: one of them"
            for name in ("webhook_url", "webhook_token_file")
            if name in given
        ]
        try:
            notify = alerts.read(arguments.notify)
        except ConfigurationError as error:
            problems += error.problems
        else:
            chosen |= {"receivers": notify.receivers, "mutes": notify.mutes}
    try:
        rules = alerts.Options(**chosen)
    except ConfigurationError as error:
        raise ConfigurationError([*problems, *error.problems]) from None
    if arguments.check_secrets:
        files = sorted({file for receiver in rules.told for file in receiver.files})
        problems += [f"secret file {file} {why}" for file in files if (why := _no_secret(Path(file)))]
    if problems:
        raise ConfigurationError(problems)
    return rules


def _no_secret(file: Path) -> str:
    """Why nobody would find a secret there; "" if somebody would. Nothing of it is said."""
    try:
        return "" if file.read_bytes().strip() else "is empty"
    except OSError as error:
        return f"can't be read here: {reason(error)}"


def _chosen(options: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What was given of these options' fields; lists as tuples."""
    names = {field.name for field in fields(options)}
    return {n: tuple(v) if isinstance(v, list) else v for n, v in given.items() if n in names}
