"""Whatever guards and services are called: everything generated is what it would be under harmless names."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.alerts.shapes import Names, renamed, shape
from tests.unit.fuzzed_names import NAMES, TEXTS, allowed

from seawall.alerts import KubernetesOptions, Options, build, build_kubernetes
from seawall.resilience import ConfigurationError

# Bundles are built many times: a busy machine needs longer than the usual limit.
pytestmark = pytest.mark.timeout(600)
LOAD = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
HARMLESS = Names("servicename", "dependencyname")
EXAMPLES = settings(max_examples=8)


def named(document: dict[str, Any], names: Names, *, family: bool = False) -> dict[str, Any]:
    """A service of one guard, with every policy or with members."""
    guard = next(
        g for g in document["guards"] if (bool(g.get("family")) if family else g["name"] == "bank-api")
    )
    guard = {**guard, "name": names.each["dependency"], "description": names.each["dependency"]}
    return {**document, "service": names.each["service"], "guards": [guard]}


@cache
def _harmless(text: str) -> Any:
    return yaml.load(text, LOAD)


PLAIN: dict[bool, dict[str, str]] = {}


@EXAMPLES
@given(service=NAMES, dependency=NAMES, family=st.booleans())
@example(service='"} or x{z="', dependency="{{ .X }}", family=True)
def test_all_files_are_as_under_harmless_names(
    document: dict[str, Any], service: str, dependency: str, family: bool
) -> None:
    # Each is known from the other, and from all that is generated.
    names = Names(f"\N{SECTION SIGN}{service}"[:200], f"\N{PILCROW SIGN}{dependency}"[:190])
    if family not in PLAIN:
        PLAIN[family] = build(named(document, HARMLESS, family=family))
    made, plain = build(named(document, names, family=family)), PLAIN[family]
    assert list(made) == list(plain)
    for path, text in made.items():
        if path.startswith("prometheus/rules/"):
            same_rules(yaml.load(text, LOAD), _harmless(plain[path]), names)
        elif path.startswith("prometheus/tests/"):
            same_tests(yaml.load(text, LOAD), _harmless(plain[path]), names)
        elif path.endswith(".yml"):
            assert yaml.load(text, LOAD) == renamed(_harmless(plain[path]), names, HARMLESS)
        elif path.endswith(".tmpl"):
            # Names are in the heading alone, which is a comment.
            assert text.partition("*/")[2] == plain[path].partition("*/")[2]
        else:
            assert len(text.splitlines()) == len(plain[path].splitlines())


def same_rules(made: Any, plain: Any, names: Names) -> None:
    for group, other in zip(made["groups"], plain["groups"], strict=True):
        assert group["name"] == names.instead_of(HARMLESS, other["name"])
        for rule, its in zip(group["rules"], other["rules"], strict=True):
            assert shape(rule.pop("expr"), names) == shape(dict(its)["expr"], HARMLESS)
            # No name is in a template: the same actions, word for word.
            url = rule.get("annotations", {}).get("dashboard_url", "")
            assert bare(rule, url) == bare({k: v for k, v in its.items() if k != "expr"}, url)


def bare(rule: dict[str, Any], url: str) -> dict[str, Any]:
    """A rule, with what its dashboard is asked for instead of that dashboard's address."""
    if not url:
        return rule
    notes = {**rule["annotations"]}
    notes["dashboard_url"] = notes["dashboard_url"].partition("?")[2]
    return {**rule, "annotations": notes}


def same_tests(made: Any, plain: Any, names: Names) -> None:
    assert {k: v for k, v in made.items() if k != "tests"} == renamed(
        {k: v for k, v in plain.items() if k != "tests"}, names, HARMLESS
    )
    for case, other in zip(made["tests"], plain["tests"], strict=True):
        series = zip(case["input_series"], other["input_series"], strict=True)
        for mine, its in series:
            assert mine["values"] == its["values"]
            assert shape(mine["series"], names) == shape(its["series"], HARMLESS)
        for kind in ("alert_rule_test", "promql_expr_test"):
            for check, its in zip(case.get(kind, ()), other.get(kind, ()), strict=True):
                same_check(check, its, names)


def same_check(check: Any, plain: Any, names: Names) -> None:
    if "expr" in check:
        assert shape(check["expr"], names) == shape(plain["expr"], HARMLESS)
    for alert, other in zip(check.get("exp_alerts", ()), plain.get("exp_alerts", ()), strict=True):
        assert alert["exp_labels"] == renamed(other["exp_labels"], names, HARMLESS)
        notes, its = alert["exp_annotations"], other["exp_annotations"]
        for name, text in its.items():
            # The address of a board has a digest of the service's name.
            ours, theirs = (
                t.partition("?")[2] if name == "dashboard_url" else t for t in (notes[name], text)
            )
            wanted = names.instead_of(HARMLESS, f"http?{theirs}" if name == "dashboard_url" else theirs)
            assert ours == wanted.removeprefix("http?" if name == "dashboard_url" else "")


@EXAMPLES
@given(service=NAMES, dependency=NAMES)
def test_resources_of_kubernetes_hold_the_same_rules(
    document: dict[str, Any], service: str, dependency: str
) -> None:
    own = named(document, Names(service, dependency))
    bundle = build(own)
    resources = [
        yaml.load(text, LOAD)
        for text in build_kubernetes(own, bundle, Options(), KubernetesOptions()).values()
    ]
    rules = {"groups": [g for r in resources if r["kind"] == "PrometheusRule" for g in r["spec"]["groups"]]}
    written = [yaml.load(t, LOAD) for p, t in bundle.items() if p.startswith("prometheus/rules/")]
    expressions = sorted(r["expr"] for w in written for g in w["groups"] for r in g["rules"])
    assert sorted(r["expr"] for g in rules["groups"] for r in g["rules"]) == expressions
    for resource in resources:
        if "metadata" in resource:
            assert resource["metadata"]["name"].encode().isascii()


@settings(EXAMPLES, max_examples=20)
@given(name=TEXTS)
@example(name="a\nb")
def test_a_name_is_taken_whole_or_refused_in_one_error(document: dict[str, Any], name: str) -> None:
    for who in (Names(name, "x"), Names("x", name)):
        own = named(document, who)
        own["guards"] = [{**own["guards"][0], "policies": {}, "objectives": None}]
        if allowed(name):
            assert build(own)
        else:
            with pytest.raises(ConfigurationError) as caught:
                build(own)
            (problem,) = caught.value.problems
            assert "allowed: 1 to 200 characters, none a control" in problem


@settings(EXAMPLES, max_examples=20)
@given(text=TEXTS)
def test_what_options_say_comes_back_or_is_refused(document: dict[str, Any], text: str) -> None:
    own = named(document, HARMLESS)
    own["guards"] = [{**own["guards"][0], "policies": {}, "objectives": None}]
    for name in ("job", "cluster"):
        try:
            options = Options(**{name: text})  # type: ignore[arg-type]
        except ConfigurationError as error:
            (problem,) = error.problems
            assert problem.startswith(f"options.{name} is ")
            assert not allowed(text) or (name == "cluster" and "$" in text)
            continue
        written = yaml.load(build(own, options)["prometheus/prometheus.yml"], LOAD)
        found = {"job": written["scrape_configs"][0]["job_name"],
                 "cluster": written["global"]["external_labels"]["cluster"]}  # fmt: skip
        assert found[name] == text
