"""Dashboards as Kubernetes resources: ConfigMaps for Grafana's side-car, or resources of grafana-operator."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from seawall.dashboards.problems import NO_TEXT, OptionsError, is_text

#: Bytes that the data of a ConfigMap may have.
LARGEST = 1024 * 1024
SIDECAR = "grafana-sidecar"
OPERATOR = "grafana-operator"
#: In a dashboard `${job}` is Grafana's: Flux must not put its own variables there.
LEFT_AS_IT_IS = {"kustomize.toolkit.fluxcd.io/substitute": "disabled"}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesOptions:
    """What the cluster's Grafana looks for; the defaults are those of its Helm chart and of the operator.

    ``folder`` is the dashboards' folder. ``namespace`` is written to the kustomizations ("" leaves it to
    whoever applies them). ``instance_labels`` select the operator's ``Grafana`` resources.
    """

    folder: str = "Resilience"
    namespace: str = ""
    sidecar_label: str = "grafana_dashboard"
    sidecar_value: str = "1"
    folder_annotation: str = "grafana_folder"
    instance_labels: Mapping[str, str] = field(default_factory=lambda: {"dashboards": "grafana"})

    def __post_init__(self) -> None:
        """Raise `OptionsError` that names everything that is wrong."""
        wrong = []
        if self.namespace and not _NAME.fullmatch(self.namespace):
            wrong.append(
                f"namespace {self.namespace!r}; allowed: 1 to 63 of a-z, 0-9 and -, no - at either end"
            )
        labels = {self.sidecar_label: self.sidecar_value, **self.instance_labels}
        wrong += [
            f"label {key!r}: {value!r} is none of Kubernetes; allowed: 63 of letters, digits, -, _ and ."
            for key, value in labels.items()
            if not _is_key(key) or (value and not _LABEL.fullmatch(value))
        ]
        if not _is_key(self.folder_annotation):
            wrong.append(f"annotation {self.folder_annotation!r} is none of Kubernetes")
        if not is_text(self.folder):
            wrong.append(f"folder is {self.folder!r}; {NO_TEXT}")
        if not self.instance_labels:
            wrong.append("no label selects a Grafana: grafana-operator would take every one")
        if wrong:
            raise OptionsError(tuple(wrong))


def build(dashboards: Mapping[str, str], options: KubernetesOptions | None = None) -> dict[str, str]:
    """Files by path, from dashboards (JSON by file name): two folders, of which one is to be applied."""
    options = options or KubernetesOptions()
    files: dict[str, str] = {}
    resources: list[str] = []
    wrong = []
    for name, text in sorted(dashboards.items()):
        content = json.loads(text)
        # ASCII without line breaks: there is nothing that YAML could read in another way.
        compact = json.dumps(content, separators=(",", ":"), sort_keys=True)
        if len(compact) > LARGEST:
            wrong.append(f"{name} has {len(compact)} bytes; a ConfigMap holds {LARGEST}")
        resource = f"{name.removesuffix('.json')}.yaml"
        resources.append(resource)
        legal = resource_name(content["uid"])
        files[f"{SIDECAR}/{resource}"] = dump(_config_map(legal, compact, options))
        files[f"{OPERATOR}/{resource}"] = dump(_custom_resource(legal, compact, options))
    if wrong:
        raise OptionsError(tuple(wrong))
    for folder in (SIDECAR, OPERATOR):
        files[f"{folder}/kustomization.yaml"] = dump(_kustomization(resources, options))
    return dict(sorted(files.items()))


def resource_name(uid: str) -> str:
    """A dashboard's uid as a name that Kubernetes takes: no capitals, no underscores, none at either end."""
    return re.sub(r"[^a-z0-9]+", "-", uid.lower()).strip("-") or "dashboard"


def dump(resource: Mapping[str, Any]) -> str:
    """YAML, the same bytes for the same resource."""
    text: str = yaml.dump(dict(resource), Dumper=_Dumper, sort_keys=False, width=2**24, allow_unicode=False)
    return text


class _Dumper(yaml.SafeDumper):
    """JSON stands in a block of its own, where nothing has to be escaped."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # What begins with a letter is a word to every reader of YAML; a bare 1e3 is a number to Kubernetes.
    word = len(value) > 1 and value[0].isascii() and value[0].isalpha()
    style = "|" if value[:1] == "{" else None if word else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def _metadata(name: str, annotations: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, Any]:
    common = {"app.kubernetes.io/part-of": "seawall"}
    return {"name": name, "labels": {**common, **labels}, "annotations": {**LEFT_AS_IT_IS, **annotations}}


def _config_map(name: str, content: str, options: KubernetesOptions) -> dict[str, Any]:
    # The side-car puts the files of all ConfigMaps into one folder: two services may not use one name.
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(
            name,
            {options.folder_annotation: options.folder},
            {options.sidecar_label: options.sidecar_value},
        ),
        "data": {f"{name}.json": content},
    }


def _custom_resource(name: str, content: str, options: KubernetesOptions) -> dict[str, Any]:
    return {
        "apiVersion": "grafana.integreatly.org/v1beta1",
        "kind": "GrafanaDashboard",
        "metadata": _metadata(name, {}, {}),
        "spec": {
            "instanceSelector": {"matchLabels": dict(options.instance_labels)},
            # The service and its Grafana are seldom in one namespace.
            "allowCrossNamespaceImport": True,
            "folder": options.folder,
            "json": content,
        },
    }


def _kustomization(resources: list[str], options: KubernetesOptions) -> dict[str, Any]:
    namespace = {"namespace": options.namespace} if options.namespace else {}
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        **namespace,
        "resources": resources,
    }


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    parts = prefix.split(".") if slash else []
    return bool(_LABEL.fullmatch(name)) and len(prefix) <= 253 and all(map(_NAME.fullmatch, parts))
