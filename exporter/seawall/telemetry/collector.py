"""Guards as an ordinary prometheus_client collector: register it where the service's own metrics are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector as ClientCollector
from prometheus_client.samples import Exemplar as ClientExemplar

from seawall.resilience import Registry
from seawall.resilience.ledger import Entry, Exemplar
from seawall.telemetry import catalog
from seawall.telemetry.catalog import Series
from seawall.telemetry.dropped import Dropped
from seawall.telemetry.exposition import exposed_type, number
from seawall.telemetry.rows import Row
from seawall.telemetry.service import Service
from seawall.telemetry.source import Source, View


class Collector(ClientCollector):
    """Reports the guards of one registry. It reads their ledgers when collected, and only then."""

    def __init__(
        self, registry: Registry, *, service: Service | None = None, dropped: Dropped | None = None
    ) -> None:
        self.source = Source(registry, service=service, dropped=dropped)

    def register(self, target: CollectorRegistry) -> Collector:
        """Put it on ``target``. ``ValueError`` when its names are there already."""
        target.register(self)
        return self

    def describe(self) -> Iterable[Metric]:
        """The families without samples, so that registering reads nothing."""
        return [_family(series) for series in catalog.SERIES]

    def collect(self) -> Iterator[Metric]:
        """Every family that has samples, in the catalog's order."""
        views = self.source.views()
        families = {series: _family(series) for series in catalog.SERIES}
        for view in views:
            for entry in view.layout.entries:
                _add_entry(families, view, entry)
            _add_rows(families, view.rows)
        _add_rows(families, self.source.identity)
        _add_rows(families, self.source.own())
        yield from (family for family in families.values() if family.samples)


def label_values(view: View, entry: Entry) -> tuple[str, ...] | None:
    """Values for all labels of an entry's series; ``None`` for an error type that was not seen yet."""
    if entry.field.name != catalog.ERRORS.field:
        return (view.name, *entry.labels)
    index = int(entry.labels[0])
    name = view.error_names[index]
    if name is None or name in view.error_names[:index]:
        return None
    return (view.name, name)


def _family(series: Series) -> Metric:
    return Metric(series.family, series.help, exposed_type(series), series.unit)


def _add_rows(families: dict[Series, Metric], rows: Iterable[Row]) -> None:
    for row in rows:
        labels = dict(zip(row.series.labels, row.labels, strict=True))
        families[row.series].add_sample(row.series.name, labels, row.value)


def _add_entry(families: dict[Series, Metric], view: View, entry: Entry) -> None:
    series = catalog.BY_FIELD[entry.field.name]
    values = label_values(view, entry)
    if values is None:
        return
    family = families[series]
    labels = dict(zip(series.labels, values, strict=True))
    if series.type != "histogram":
        exemplar = _exemplar(view, entry.offset) if series.type == "counter" else None
        family.add_sample(series.name, labels, view.reading[entry.offset], exemplar=exemplar)
        return
    end = entry.offset + len(entry.bounds)
    for slot, bound in enumerate((*entry.bounds, float("inf")), start=entry.offset):
        family.add_sample(
            series.bucket,
            {**labels, "le": number(bound)},
            view.reading[slot],
            exemplar=_exemplar(view, slot),
        )
    family.add_sample(series.count, labels, view.reading[end])
    family.add_sample(series.sum, labels, view.reading[end + 1])


def _exemplar(view: View, slot: int) -> ClientExemplar | None:
    found: Exemplar | None = view.exemplars.get(slot)
    return None if found is None else ClientExemplar(found.labels, found.value, round(found.at, 3))
