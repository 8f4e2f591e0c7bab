"""What is asked about boards, the same by `generate` and `dashboards import`, and the options of it."""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from seawall.cli.loading import load_named
from seawall.cli.problem import CliError

if TYPE_CHECKING:
    from seawall import alerts, dashboards

LABELS = ("cluster_label", "namespace_label", "job_label", "instance_label")
PACE = ("scrape_interval", "time_factor")
#: Of these arguments, by the names that they have when parsed.
ASKED = ("boards", *LABELS, "recorded", *PACE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("boards")
    group.add_argument(
        "--boards",
        metavar="MODULE:NAME",
        help="a seawall.dashboards.Options of yours: panels, colours, labels; what is given here goes before",
    )
    for name, text in (
        ("cluster", "that names the cluster; a variable of its own on every board"),
        ("namespace", "that names the namespace; a variable of its own on every board"),
        ("job", "that names the service, where boards shall go by another than job"),
        ("instance", "that names the replica, where boards shall go by another than instance"),
    ):
        group.add_argument(f"--{name}-label", metavar="LABEL", help=f"label of the targets {text}")
    group.add_argument(
        "--without-rules",
        dest="recorded",
        action="store_false",
        default=None,
        help="Prometheus does not load this bundle's rules: boards over all replicas ask for raw series",
    )
    pace = parser.add_argument_group("pace")
    pace.add_argument("--scrape-interval", type=float, metavar="S", help="seconds; default 15")
    pace.add_argument(
        "--time-factor", type=float, metavar="F", help="multiplies windows and waits of rules; default 1"
    )


def given(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was asked for, by name."""
    return {name: value for name, value in vars(arguments).items() if value is not None}


def own(arguments: argparse.Namespace) -> dashboards.Options:
    """The options that a module of the user's has, the usual ones where none is named."""
    from seawall import dashboards

    if not arguments.boards:
        return dashboards.Options()
    found = load_named(arguments.boards, dashboards.Options, "seawall.dashboards.Options")
    if found.rate_window != dashboards.Options().rate_window:
        raise CliError(
            f"{arguments.boards} has a rate_window; allowed: --time-factor, which the rules heed too"
        )
    return found


def of_rules(options: dashboards.Options) -> dict[str, Any]:
    """What rules have to know of the options: they keep the labels that boards choose by."""
    number, unit = _split(options.scrape_interval)
    seconds = number * {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}[unit]
    return {name: getattr(options, name) for name in LABELS} | {"scrape_interval": seconds}


def options(base: dashboards.Options, chosen: dict[str, Any], rules: alerts.Options) -> dashboards.Options:
    """The base with what was chosen, at the pace of the rules."""
    names = {setting.name for setting in fields(base)}
    changed = {name: value for name, value in chosen.items() if name in names}
    interval = f"{round(rules.scrape_interval * 1000)}ms"
    return replace(base, **changed | {"scrape_interval": interval, "rate_window": rules.rate_window})


def _split(interval: str) -> tuple[float, str]:
    number = interval.rstrip("mhs")
    return float(number), interval.removeprefix(number)
