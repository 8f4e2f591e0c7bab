"""Dashboards as Kubernetes resources: valid, legal names, and the same JSON when they are read back."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.dashboards.conftest import full, policies

from seawall.dashboards import KubernetesOptions, Options, OptionsError, build, build_kubernetes, kubernetes
from seawall.dashboards.kubernetes import LARGEST, resource_name

Json = dict[str, Any]
# RFC 1123 subdomain, as Kubernetes wants names; keys of a ConfigMap's data; labels' values.
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SERVICES = [
    "payments",
    '"} or x{z="',
    "{{ x }}",
    "$job ${job}",
    "a\nkind: Secret\n---\n",
    "Überweisung 支払い \u2028 \x85 \ufeff",
    "_-.",
    "n" * 200,
]


@pytest.fixture(scope="module", params=SERVICES, ids=range(len(SERVICES)))
def boards(request: pytest.FixtureRequest) -> dict[str, str]:
    return build(policies(full(request.param), service=request.param), Options(uid_prefix="_My-Team_"))


@pytest.fixture(scope="module")
def resources(boards: dict[str, str]) -> dict[str, Json]:
    return read(build_kubernetes(boards))


def read(files: dict[str, str]) -> dict[str, Json]:
    """Each file holds one document."""
    found = {}
    for path, text in files.items():
        (found[path],) = yaml.load_all(text, LOADER)
    return found


def test_a_config_map_for_each_dashboard(boards: dict[str, str], resources: dict[str, Json]) -> None:
    for name, text in boards.items():
        found = resources[f"grafana-sidecar/{name.removesuffix('.json')}.yaml"]
        assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMap")
        metadata = found["metadata"]
        assert NAME.fullmatch(metadata["name"])
        assert len(metadata["name"]) <= 253
        assert metadata["labels"]["grafana_dashboard"] == "1"
        assert metadata["annotations"]["grafana_folder"] == "Resilience"
        ((key, content),) = found["data"].items()
        assert KEY.fullmatch(key)
        assert key == f"{metadata['name']}.json"
        assert json.loads(content) == json.loads(text)
        assert len(content.encode()) <= LARGEST
    names = [r["metadata"]["name"] for path, r in resources.items() if "kustomization" not in path]
    assert len(set(names)) == len(boards)


def test_a_resource_of_the_operator_for_each_dashboard(
    boards: dict[str, str], resources: dict[str, Json]
) -> None:
    for name, text in boards.items():
        found = resources[f"grafana-operator/{name.removesuffix('.json')}.yaml"]
        assert (found["apiVersion"], found["kind"]) == (
            "grafana.integreatly.org/v1beta1",
            "GrafanaDashboard",
        )
        assert NAME.fullmatch(found["metadata"]["name"])
        spec = dict(found["spec"])
        assert json.loads(spec.pop("json")) == json.loads(text)
        assert spec == {
            "instanceSelector": {"matchLabels": {"dashboards": "grafana"}},
            "allowCrossNamespaceImport": True,
            "folder": "Resilience",
        }


def test_flux_leaves_the_variables_of_grafana_alone(resources: dict[str, Json]) -> None:
    for path, found in resources.items():
        if "kustomization" not in path:
            notes = found["metadata"]["annotations"]
            assert notes["kustomize.toolkit.fluxcd.io/substitute"] == "disabled"


def test_what_the_cluster_calls_things_can_be_said(dashboards: dict[str, Json]) -> None:
    texts = {name: json.dumps(board) for name, board in dashboards.items()}
    options = KubernetesOptions(
        folder="yes: {no}\n# $x",
        namespace="team-a",
        sidecar_label="example.org/boards",
        sidecar_value="",
        folder_annotation="example.org/folder",
        instance_labels={"app.kubernetes.io/name": "true", "b": "1"},
    )
    found = read(build_kubernetes(texts, options))
    assert found["grafana-sidecar/kustomization.yaml"] == {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "team-a",
        "resources": [f"{name.removesuffix('.json')}.yaml" for name in sorted(texts)],
    }
    metadata = found["grafana-sidecar/overview.yaml"]["metadata"]
    assert metadata["labels"] == {"app.kubernetes.io/part-of": "seawall", "example.org/boards": ""}
    assert metadata["annotations"]["example.org/folder"] == "yes: {no}\n# $x"
    spec = found["grafana-operator/overview.yaml"]["spec"]
    assert spec["folder"] == "yes: {no}\n# $x"
    assert spec["instanceSelector"]["matchLabels"] == {"app.kubernetes.io/name": "true", "b": "1"}


def test_names_are_legal_whatever_the_uid() -> None:
    assert resource_name("seawall-overview-2f2f99cd") == "seawall-overview-2f2f99cd"
    assert resource_name("_My__Team_-overview-00") == "my-team-overview-00"
    assert resource_name("-_") == "dashboard"


def test_a_dashboard_that_is_too_large_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kubernetes.LARGEST == 2**20
    monkeypatch.setattr(kubernetes, "LARGEST", 40)
    fits = '{"panels":[],"title":"xxxxxx","uid":"a"}'
    assert build_kubernetes({"fits.json": fits})
    with pytest.raises(OptionsError) as caught:
        build_kubernetes({"fits.json": fits, "large.json": fits.replace("xxx", "xxxx", 1)})
    assert caught.value.problems == ("large.json has 41 bytes; a ConfigMap holds 40",)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"namespace": "Team A"}, "namespace 'Team A'"),
        ({"sidecar_label": "a b"}, "label 'a b': '1' is none of Kubernetes"),
        ({"sidecar_value": "-"}, "label 'grafana_dashboard': '-' is none"),
        ({"instance_labels": {"A B/c": "x"}}, "label 'A B/c': 'x' is none"),
        ({"folder_annotation": "/x"}, "annotation '/x' is none of Kubernetes"),
        ({"instance_labels": {}}, "no label selects a Grafana"),
    ],
)
def test_options_that_can_not_be(options: Json, said: str) -> None:
    with pytest.raises(OptionsError) as caught:
        KubernetesOptions(**options)
    assert len(caught.value.problems) == 1
    assert said in caught.value.problems[0]


@pytest.mark.parametrize("folder", ["grafana-sidecar", "grafana-operator"])
def test_kustomize_builds_them(dashboards: dict[str, Json], tmp_path: Path, folder: str) -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not on PATH")
    texts = {name: json.dumps(board) for name, board in dashboards.items()}
    for path, text in build_kubernetes(texts, KubernetesOptions(namespace="team-a")).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [kubectl, "kustomize", str(tmp_path / folder)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    built = list(yaml.load_all(done.stdout, LOADER))
    assert {resource["metadata"]["namespace"] for resource in built} == {"team-a"}
    held = [
        resource.get("spec", {}).get("json") or next(iter(resource["data"].values())) for resource in built
    ]
    by_uid = {board["uid"]: board for board in dashboards.values()}
    assert {json.loads(text)["uid"]: json.loads(text) for text in held} == by_uid
