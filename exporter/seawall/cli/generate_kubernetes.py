"""What ``seawall generate`` asks about a cluster, and the options that follow from the answers."""

from __future__ import annotations

import argparse
from typing import Any

from seawall.cli.problem import CliError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("Kubernetes")
    group.add_argument(
        "--kubernetes",
        action="store_true",
        help="also resources of prometheus-operator and of grafana-operator, and ConfigMaps for "
        "Grafana's side-car",
    )
    group.add_argument("--kubernetes-namespace", default="", metavar="NAME", help="of these resources")
    for name, dest, text in (
        (
            "--grafana-instance",
            "instance_labels",
            "label of the operator's Grafana (default: dashboards=grafana)",
        ),
        ("--kubernetes-label", "resource_labels", "label of rules, monitor and AlertmanagerConfig"),
        ("--kubernetes-selector", "selector_labels", "label of the service to scrape, or of its pods"),
    ):
        group.add_argument(
            name, dest=dest, action="append", metavar="LABEL=VALUE", help=f"{text}; repeatable"
        )
    group.add_argument("--kubernetes-port", default="metrics", metavar="NAME", help="the exporter's port")
    group.add_argument("--kubernetes-pods", action="store_true", help="a PodMonitor: there is no service")
    group.add_argument(
        "--kubernetes-secret", default="", metavar="NAME", help="that holds receivers' secrets"
    )


def of_dashboards(arguments: argparse.Namespace) -> dict[str, Any]:
    chosen: dict[str, Any] = {"namespace": arguments.kubernetes_namespace}
    if arguments.instance_labels:
        chosen["instance_labels"] = _pairs("--grafana-instance", arguments.instance_labels)
    return chosen


def of_alerts(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "namespace": arguments.kubernetes_namespace,
        "labels": _pairs("--kubernetes-label", arguments.resource_labels or []),
        "selector": _pairs("--kubernetes-selector", arguments.selector_labels or []),
        "port": arguments.kubernetes_port,
        "pods": arguments.kubernetes_pods,
        "secret": arguments.kubernetes_secret,
    }


def _pairs(option: str, given: list[str]) -> dict[str, str]:
    pairs = [label.partition("=") for label in given]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise CliError(f"{option} {wrong[0]} has no value; allowed: LABEL=VALUE")
    return {key: value for key, _, value in pairs}
