"""Values in resources of Kubernetes: texts for every reader of YAML, or refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from tests.unit.fuzzed_names import TEXTS

from seawall.alerts import KubernetesOptions, Options, build, build_kubernetes
from seawall.alerts.yaml_text import dump
from seawall.resilience import Breaker, ConfigurationError, Registry

Json = dict[str, Any]
#: YAML 1.2's own numbers, and what YAML 1.1 has beside them: what readers disagree about.
NUMBERS = re.compile(
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?0[bBoOxX][0-9a-fA-F_]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|[yYnN]|~|null|true|false|yes|no|on|off"
)
EXAMPLES = settings(max_examples=60)


@pytest.fixture(scope="module")
def small() -> Json:
    registry = Registry(service="shop")
    registry.guard("bank", breaker=Breaker())
    return registry.describe()


@EXAMPLES
@given(text=TEXTS)
def test_what_a_cluster_is_told_is_legal_or_refused(text: str) -> None:
    every = {"namespace": text, "secret": text, "port": text, "labels": {"a": text}, "selector": {text: "a"}}
    for name, value in every.items():
        try:
            KubernetesOptions(**{name: value})  # type: ignore[arg-type]
        except ConfigurationError as error:
            (problem,) = error.problems
            assert problem.startswith(f"kubernetes.{name} ")
            assert "; allowed: " in problem


def scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from scalars(each)
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for each in pair:
                yield from scalars(each)


@pytest.mark.parametrize(
    "text", ["1e3", "0o17", "0X1F", "08", ".5e3", "1.5e3", "y", "N", "0B1", "1_0e2", "+1e9"]
)
def test_what_looks_like_a_number_to_others_stands_in_quotes(small: Json, text: str) -> None:
    """Kubernetes takes a bare 1e3 for a number, and refuses it where a text belongs."""
    options = Options(target_labels=(("team", text),))
    cluster = KubernetesOptions(labels={"a": "1e3"}, namespace="1e3")
    for written in build_kubernetes(small, build(small, options), options, cluster).values():
        bare = [
            node.value
            for node in scalars(yaml.compose(written))
            if node.style is None and node.tag == "tag:yaml.org,2002:str"
        ]
        assert bare
        assert [each for each in bare if NUMBERS.fullmatch(each)] == []
    assert dump([text]) == f'- "{text}"\n'


@pytest.mark.parametrize("text", ["15s", "1h30m", "1.2.3", "10.0.0.1:9464", "x1", "e3", "2026", "yes", "-"])
def test_what_is_known_for_a_text_is_left_as_it_is(text: str) -> None:
    assert yaml.safe_load(dump([text])) == [text]
    assert dump(["15s", "10.0.0.1:9464"]) == "- 15s\n- 10.0.0.1:9464\n"
