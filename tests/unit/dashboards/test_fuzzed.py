"""Whatever guards, services and options are called: boards are as they were, or it is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import promql_parser
import pytest
import yaml
from hypothesis import example, given, settings
from tests.unit.dashboards.conftest import every_panel, full, policies
from tests.unit.fuzzed_names import TEXTS

from seawall.dashboards import (
    DocumentError,
    KubernetesOptions,
    Options,
    OptionsError,
    build,
    build_kubernetes,
    build_provisioning,
)

Json = dict[str, Any]
LOAD = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
EXAMPLES = settings(max_examples=25)
#: Where each makes all boards.
FEW = settings(EXAMPLES, max_examples=8)
#: Of every setting that is a text; those that none may choose freely are not always taken.
FREE = (
    "folder", "datasource", "time_from", "prometheus_url", "dashboards_path", "trace_datasource", "trace_url",
)  # fmt: skip
STRICT = (
    "uid_prefix", "job_label", "instance_label", "cluster_label", "namespace_label", "rate_window", "refresh",
    "scrape_interval",
)  # fmt: skip
GRAFANA = re.compile(r"\$__(rate_interval|interval|range)")


def parsed(boards: Mapping[str, str]) -> dict[str, Json]:
    """Boards of which every question is PromQL."""
    found: dict[str, Json] = {name: json.loads(text) for name, text in boards.items()}
    for board in found.values():
        asked = [target["expr"] for panel in every_panel(board) for target in panel["targets"]]
        asked += [note["expr"] for note in board["annotations"]["list"] if "expr" in note]
        assert asked
        for expression in asked:
            promql_parser.parse(GRAFANA.sub("5m", expression))
    return found


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    return build(policies(full("x")))


@FEW
@given(name=TEXTS)
def test_a_guards_name_changes_nothing(plain: dict[str, str], name: str) -> None:
    guard = full(name) | {"description": name}
    assert build(policies(guard)) == plain


@FEW
@given(name=TEXTS)
@example(name="\ud800")
def test_a_services_name_is_in_the_titles_exactly(plain: dict[str, str], name: str) -> None:
    try:
        boards = build(policies(full("x"), service=name))
    except DocumentError as error:
        said = str(error)
        assert (said.partition("; allowed: ")[0], encodes(name)) == (f"service is {name!r}", False)
        return
    for file, text in boards.items():
        board, other = json.loads(text.encode()), json.loads(plain[file])
        assert board["title"] == other["title"].removesuffix("payments") + name
        digest, its = board["uid"][-8:], other["uid"][-8:]
        assert json.loads(json.dumps(board | {"title": other["title"]}).replace(digest, its)) == other
    resources = build_kubernetes(boards, KubernetesOptions())
    given_ = [each for text in resources.values() for each in jsons(yaml.load(text, LOAD))]
    assert sorted(given_, key=str) == sorted([*map(json.loads, boards.values())] * 2, key=str)


def jsons(resource: Json) -> list[Json]:
    held = [*resource.get("data", {}).values(), resource.get("spec", {}).get("json")]
    return [json.loads(text) for text in held if text]


def encodes(text: str) -> bool:
    return text == text.encode("utf-8", "ignore").decode()


@pytest.mark.parametrize("name", FREE)
@EXAMPLES
@given(text=TEXTS)
@example(text="$HOME ${PATH} $$")
@example(text="\ud800")
def test_a_text_of_the_options_comes_back_or_is_refused(name: str, text: str) -> None:
    try:
        options = Options(**{name: text})  # type: ignore[arg-type]
    except OptionsError as error:
        (problem,) = error.problems
        assert problem.startswith(f"{name} is ")
        assert not encodes(text) or (name == "folder" and not text.strip())
        return
    read = [yaml.safe_load(each) for each in build_provisioning(options).values()]
    assert [json.loads(each) for each in build_provisioning(options).values()] == read
    (provider,), (source,) = read[0]["providers"], read[1]["datasources"]
    trace = source["jsonData"].get("exemplarTraceIdDestinations", [{}])[0]
    found = {
        "folder": provider["folder"],
        "datasource": source["uid"],
        "prometheus_url": source["url"],
        "dashboards_path": provider["options"]["path"],
        "trace_datasource": trace.get("datasourceUid", ""),
        "trace_url": trace.get("url", ""),
    }
    # Grafana puts variables of its environment wherever a $ stands alone.
    assert all(value.replace("$$", "").count("$") == 0 for value in found.values())
    if name == "time_from":
        board = json.loads(build(policies(full("x")), options)["overview.json"].encode())
        assert board["time"]["from"] == text
    else:
        assert found[name].replace("$$", "$") == text


@pytest.mark.parametrize("name", STRICT)
@EXAMPLES
@given(text=TEXTS)
@example(text="NaN")
@example(text="without")
@example(text="__name__")
@example(text="policy")
@example(text="1m1h")
@example(text="60m")
@example(text="9" * 20 + "s")
def test_a_name_of_the_options_makes_boards_or_is_refused(name: str, text: str) -> None:
    try:
        options = Options(**{name: text})  # type: ignore[arg-type]
    except OptionsError as error:
        (problem,) = error.problems
        assert problem.startswith((f"{name} {text!r}", f"{name} is {text!r}", f"label {text!r}", "two of "))
        return
    parsed(build(policies(full("x")), options))


def test_labels_that_are_words_of_promql_are_asked_for() -> None:
    names = ("job_label", "instance_label", "cluster_label", "namespace_label")
    for words in (("by", "on", "bool", "offset"), ("start", "ignoring", "group_left", "atan2")):
        options = Options(**dict(zip(names, words, strict=True)))  # type: ignore[arg-type]
        assert parsed(build(policies(full("x")), options))


@FEW
@given(text=TEXTS)
@example(text="{ a\n b ")
@example(text="1e3")
@example(text="\ud800")
def test_a_folder_of_a_cluster_comes_back_or_is_refused(plain: dict[str, str], text: str) -> None:
    boards = {"overview.json": plain["overview.json"]}
    try:
        options = KubernetesOptions(folder=text, sidecar_value="1e3", namespace="1e3")
    except OptionsError as error:
        (problem,) = error.problems
        assert problem.partition("; allowed: ")[0] == f"folder is {text!r}"
        return
    made = build_kubernetes(boards, options)
    sidecar = made["grafana-sidecar/overview.yaml"]
    assert yaml.safe_load(sidecar)["metadata"]["annotations"]["grafana_folder"] == text
    assert yaml.safe_load(made["grafana-operator/overview.yaml"])["spec"]["folder"] == text
    assert 'grafana_dashboard: "1e3"\n' in sidecar
    assert 'namespace: "1e3"\n' in made["grafana-sidecar/kustomization.yaml"]
