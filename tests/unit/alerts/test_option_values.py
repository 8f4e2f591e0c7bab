"""Whatever users write into options: it stands in the files exactly so, or is refused by one clear error."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from tests.unit.alerts.option_cases import CASES, TAKEN, Case
from tests.unit.fuzzed_names import TEXTS

from seawall.alerts import Options, alertmanager, build, prometheus
from seawall.alerts.context import Context
from seawall.alerts.document import parse
from seawall.resilience import Breaker, ConfigurationError, Registry

Json = dict[str, Any]
EXAMPLES = settings(max_examples=60)


@pytest.fixture(scope="module")
def small() -> Json:
    registry = Registry(service="shop")
    registry.guard("bank", breaker=Breaker())
    return registry.describe()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@EXAMPLES
@given(text=TEXTS)
def test_it_comes_back_exactly_or_is_refused(small: Json, case: Case, text: str) -> None:
    try:
        options = case.make(text)
    except ConfigurationError as error:
        (problem,) = error.problems
        assert problem.startswith(case.refused)
        assert "; allowed: " in problem
        return
    assert read(options, small, case) == case.wanted(text)


@pytest.mark.parametrize("name", CASES)
def test_what_is_harmless_is_taken(small: Json, name: str) -> None:
    text = TAKEN.get(name, "x1")
    assert read(CASES[name].make(text), small, CASES[name]) == CASES[name].wanted(text)


def read(options: Options, small: Json, case: Case) -> object:
    context = Context(options, parse(small))
    written = [
        yaml.safe_load(text) for text in (prometheus.build(context, ""), alertmanager.build(context, [], ""))
    ]
    return case.found(*written)


@settings(EXAMPLES, max_examples=25)
@given(text=TEXTS)
def test_addresses_in_links_come_back_or_are_refused(small: Json, text: str) -> None:
    base = f"http://x/{text}"
    for name, note in (("runbook_base_url", "runbook_url"), ("dashboard_base_url", "dashboard_url")):
        try:
            options = Options(**{name: base})  # type: ignore[arg-type]
        except ConfigurationError as error:
            (problem,) = error.problems
            assert problem.startswith(f"options.{name} ")
            continue
        rules = yaml.safe_load(build(small, options)["prometheus/rules/breaker.yml"])
        links = [r["annotations"][note] for g in rules["groups"] for r in g["rules"] if "alert" in r]
        assert links
        assert all(link.startswith(base.rstrip("/") + "/") for link in links)
