"""The fast rendering says what prometheus_client says of the collector, in both formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from seawall.resilience import Breaker, Coalesce, Guard, Hedge, Registry, Timeout
from seawall.resilience.ledger import Exemplar
from seawall.telemetry import catalog
from seawall.telemetry.collector import Collector
from seawall.telemetry.page import MetricsPage
from seawall.telemetry.service import Service

NASTY = (
    '"} or x{z="',
    "{{ .Foo }}",
    "back\\slash\\n",
    "100 %s %d %%",
    "\N{SNOWMAN} \N{PILE OF POO} \u00a0",
    "# EOF",
    " ",
    "a" * 200,
)
#: What a guard may be named with: anything but controls, surrogates and line separators.
LEGAL = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
SERVICE = Service(name='sh"op', version="1", instance_id="x")

Parse = Callable[[str], Iterable[Metric]]
#: Name and sorted labels; ``# name`` without labels stands for what is said of the family.
Key = tuple[str, tuple[tuple[str, str], ...]]
#: Value (of a family: type, unit, help), and exemplar.
Flat = dict[Key, tuple[object, object]]


class Boom(Exception):
    """Raised by the dependency."""


def fail() -> None:
    raise Boom("a secret")


def flat(families: Iterable[Metric]) -> Flat:
    """Every sample by name and labels, and every family's type, unit and help."""
    found: Flat = {}
    for family in families:
        found[f"# {family.name}", ()] = ((family.type, family.unit, family.documentation), None)
        for sample in family.samples:
            key: Key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} is there twice"
            found[key] = (sample.value, sample.exemplar)
    return found


def differences(ours: Flat, theirs: Flat) -> list[object]:
    keys = [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
    return [(key, ours.get(key), theirs.get(key)) for key in keys]


def both(registry: Registry, parse: Parse) -> tuple[Flat, Flat]:
    """What our page says, and what prometheus_client writes of the collector."""
    target = CollectorRegistry()
    collector = Collector(registry, service=SERVICE).register(target)
    page = MetricsPage(collector.source)
    if parse is parse_openmetrics:
        ours, theirs = page.openmetrics(), generate_openmetrics(target)
    else:
        ours, theirs = page.text(), generate_latest(target)
    return flat(parse(ours.decode())), flat(parse(theirs.decode()))


@pytest.mark.parametrize("parse", [parse_text, parse_openmetrics])
def test_same_numbers(registry: Registry, full: Guard, parse: Parse) -> None:
    operation = full.operation("statements")
    operation.call(lambda: 1)
    for _ in range(6):
        operation.call(fail)
    ours, theirs = both(registry, parse)
    assert differences(ours, theirs) == []
    error = (catalog.ERRORS.name, (("dependency", "bank-api"), ("error", "Boom")))
    assert error in ours


@pytest.mark.parametrize("parse", [parse_text, parse_openmetrics])
def test_any_legal_name_reads_back(registry: Registry, now: Callable[[], float], parse: Parse) -> None:
    for name in NASTY:
        registry.guard(name, breaker=Breaker(), clock=now)
    ours, theirs = both(registry, parse)
    assert differences(ours, theirs) == []
    names = {dict(labels)["dependency"] for name, labels in ours if name == catalog.CALLS.name}
    assert names == set(NASTY)


@given(names=st.lists(st.text(LEGAL, min_size=1, max_size=200), unique=True, min_size=1, max_size=4))
@settings(max_examples=60)
def test_whatever_name_is_drawn_reads_back(names: list[str]) -> None:
    registry = Registry("shop")
    for name in names:
        registry.guard(name, clock=lambda: 0.0)
    ours, theirs = both(registry, parse_text)
    assert differences(ours, theirs) == []
    assert {dict(labels)["dependency"] for name, labels in ours if name == catalog.CALLS.name} == set(names)


def test_exemplars(registry: Registry, full: Guard) -> None:
    layout = full.ledger.layout
    labels = {"trace_id": "a" * 32, "span_id": "b" * 16, "correlation_id": "x-1"}
    for entry in (layout.entry("call_duration", "statements"), layout.entry("attempt_duration", "balance")):
        full.ledger.exemplars[entry.offset + len(entry.bounds)] = Exemplar(70.5, 1700000000.25, labels)
    full.ledger.exemplars[layout.at("breaker_transitions", "closed", "open")] = Exemplar(1.0, 1e9, labels)
    full.ledger.exemplars[layout.at("breaker_state", "open")] = Exemplar(1.0, 1e9, labels)  # no place for one
    ours, theirs = both(registry, parse_openmetrics)
    assert differences(ours, theirs) == []
    assert sorted(name for (name, _), (_, exemplar) in ours.items() if exemplar is not None) == [
        catalog.ATTEMPT_DURATION.bucket,
        catalog.BREAKER_TRANSITIONS.name,
        catalog.CALL_DURATION.bucket,
    ]


def test_text_format_has_no_exemplars_and_no_created(registry: Registry, full: Guard) -> None:
    full.ledger.exemplars[0] = Exemplar(1.0, 1e9, {"trace_id": "a" * 32})
    text = MetricsPage(Collector(registry).source).text().decode()
    assert " # {" not in text
    assert "_created" not in text
    assert "# EOF" not in text


def test_every_series_of_the_catalog_can_come_out(registry: Registry, full: Guard) -> None:
    registry.count_listener_error("audit", None)
    registry.guard("rates", hedge=Hedge(delay=0.1), coalesce=Coalesce())
    registry.guard("archive", timeout=Timeout(attempt=1.0, threads=1))
    text = MetricsPage(Collector(registry, service=SERVICE).source).text().decode()
    found = {family.name for family in parse_text(text)}
    missing = {series.name for series in catalog.SERIES if not {series.name, series.family} & found}
    assert missing == {catalog.BREAKER_PROCESSES.name}  # only on a page of several processes
