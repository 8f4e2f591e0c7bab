"""Rules, scraping and notifications as resources of prometheus-operator, for one `kubectl apply -k`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from seawall.alerts.document import parse
from seawall.alerts.kubernetes_receivers import Told, notifications
from seawall.alerts.options import Options
from seawall.alerts.yaml_text import dump
from seawall.resilience.errors import ConfigurationError
from seawall.telemetry.promql import window

FOLDER = "prometheus-operator"
GROUP = "monitoring.coreos.com"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesOptions:
    """What the cluster's operator looks for; every violation is named in one `ConfigurationError`.

    ``namespace``: of all resources, and a label of all alerts, by which the operator routes; "" leaves it to
    whoever applies them. ``labels``: on each resource, as the operator's selectors want them. ``selector``:
    labels of the service, or of the pods where ``pods``; {} is ``app.kubernetes.io/name`` with the service's
    name. ``port``: the name of the exporter's port. ``secret``: holds the receivers' secrets, each under the
    last part of its file's path; "" is a name made from the service's.
    """

    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    selector: Mapping[str, str] = field(default_factory=dict)
    port: str = "metrics"
    pods: bool = False
    secret: str = ""

    def __post_init__(self) -> None:
        problems = [
            f"kubernetes.{name} is {value!r}; allowed: 1 to 63 of a-z, 0-9 and -, no - at either end"
            for name, value in (("namespace", self.namespace), ("secret", self.secret), ("port", self.port))
            if (value or name == "port") and not _NAME.fullmatch(value)
        ]
        for name, labels in (("labels", self.labels), ("selector", self.selector)):
            problems += [
                f"kubernetes.{name} has {key!r}: {value!r}; allowed: 63 of letters, digits, -, _ and ."
                for key, value in labels.items()
                if not _KEY.fullmatch(key) or not _VALUE.fullmatch(value)
            ]
        if problems:
            raise ConfigurationError(problems)


def build(
    document: object, files: Mapping[str, str], options: Options, cluster: KubernetesOptions
) -> dict[str, str]:
    """Resources by path, from the files that `seawall.alerts.build` gave for the same document and "
    "options."""
    service = parse(document).service
    name = resource_name(service)
    rules = {
        path.removeprefix("prometheus/rules/").removesuffix(".yml").replace("_", "-"): yaml.safe_load(text)
        for path, text in files.items()
        if path.startswith("prometheus/rules/")
    }
    made = {
        f"rules-{file}": _resource("v1", "PrometheusRule", f"{name}-{file}", cluster, _rules(groups, cluster))
        for file, groups in rules.items()
    }
    kind = "PodMonitor" if cluster.pods else "ServiceMonitor"
    made[kind.lower()] = _resource("v1", kind, name, cluster, _monitor(service, name, options, cluster))
    told = Told(
        secret=cluster.secret or f"{name}-receivers"[-63:].strip("-"),
        texts=files["alertmanager/templates/seawall.tmpl"],
    )
    configuration = notifications(yaml.safe_load(files["alertmanager/alertmanager.yml"]), told)
    made["alertmanagerconfig"] = _resource("v1alpha1", "AlertmanagerConfig", name, cluster, configuration)
    written = {f"{FOLDER}/{path}.yaml": dump(resource) for path, resource in made.items()}
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        **({"namespace": cluster.namespace} if cluster.namespace else {}),
        "resources": sorted(f"{path}.yaml" for path in made),
    }
    return dict(sorted({**written, f"{FOLDER}/kustomization.yaml": dump(kustomization)}.items()))


def resource_name(service: str) -> str:
    """A name that Kubernetes takes, another one for each service."""
    plain = re.sub(r"[^a-z0-9]+", "-", service.lower()).strip("-")[:24].strip("-")
    digest = hashlib.sha256(service.encode()).hexdigest()[:8]
    return "-".join(filter(None, ("seawall", plain, digest)))


def _resource(
    version: str, kind: str, name: str, cluster: KubernetesOptions, spec: dict[str, Any]
) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{version}",
        "kind": kind,
        "metadata": {
            "name": name,
            **({"namespace": cluster.namespace} if cluster.namespace else {}),
            "labels": {"app.kubernetes.io/part-of": "seawall", **cluster.labels},
        },
        "spec": spec,
    }


def _rules(document: dict[str, Any], cluster: KubernetesOptions) -> dict[str, Any]:
    for group in document["groups"]:
        for rule in group["rules"]:
            if "alert" in rule and cluster.namespace:
                # What a rule sums up has lost it, and the operator routes by nothing else.
                rule["labels"] = {**rule.get("labels", {}), "namespace": cluster.namespace}
    return document


def _monitor(service: str, name: str, options: Options, cluster: KubernetesOptions) -> dict[str, Any]:
    usual = {
        "app.kubernetes.io/name": re.sub(r"[^A-Za-z0-9]+", "-", service).strip("-")[:63].strip("-") or name
    }
    endpoint = {
        "port": cluster.port,
        "path": "/metrics",
        "interval": window(options.scrape_interval),
        "scrapeTimeout": window(min(options.scrape_interval, 10.0)),
        "relabelings": list(_labels(service, options)),
    }
    return {
        "selector": {"matchLabels": dict(cluster.selector) or usual},
        "podMetricsEndpoints" if cluster.pods else "endpoints": [endpoint],
    }


def _labels(service: str, options: Options) -> Iterator[dict[str, str]]:
    """The job that the rules ask for, whatever the Kubernetes service is called."""
    for label, value in (("job", options.job or service), *options.target_labels):
        yield {"action": "replace", "targetLabel": label, "replacement": value.replace("$", "$$")}
