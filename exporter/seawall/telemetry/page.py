"""One page of metrics: the guards' own families, and those of a service's prometheus_client registry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import Metric, exposition
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.registry import Collector as ClientCollector

from seawall.telemetry import catalog
from seawall.telemetry.collector import Collector
from seawall.telemetry.exposition import EOF
from seawall.telemetry.render import Renderer
from seawall.telemetry.source import Source

_OURS = frozenset(name for series in catalog.SERIES for name in (series.family, series.name))


class MetricsPage:
    """Renders ``/metrics``. ``others`` has the service's own metrics: a registry, or one collector.

    Families that are in both come out once, as ours. A collector of the service's that raises, or a family
    that can't be written, costs only itself and is counted as dropped.
    """

    def __init__(self, source: Source, others: ClientCollector | None = None) -> None:
        self._source = source
        self._renderer = Renderer(source)
        self._others = others

    def text(self) -> bytes:
        """Text format 0.0.4."""
        others = self._other_families(openmetrics=False)
        return b"".join([*self._renderer.pieces(openmetrics=False), *others])

    def openmetrics(self) -> bytes:
        """OpenMetrics 1.0, with exemplars and the closing EOF."""
        others = self._other_families(openmetrics=True)
        return b"".join([*self._renderer.pieces(openmetrics=True), *others, EOF.encode()])

    def _other_families(self, *, openmetrics: bool) -> list[bytes]:
        # Before our own families: what is lost here is then counted on this very page.
        parts: list[bytes] = []
        seen = set(_OURS)
        for family in self._collected():
            if family.name in seen:
                continue
            seen.add(family.name)
            try:
                parts.append(_rendered(family, openmetrics=openmetrics))
            except Exception:  # noqa: BLE001 - somebody else's family must not empty the page
                self._source.dropped.add("series", "collector_failed")
        return parts

    def _collected(self) -> Iterator[Metric]:
        for collector in _collectors(self._others):
            try:
                yield from collector.collect()
            except Exception:  # noqa: BLE001 - as above
                self._source.dropped.add("series", "collector_failed")


def _collectors(registry: ClientCollector | None) -> list[ClientCollector]:
    """Collectors one by one, so that one can fail alone; the registry offers no public way to list them."""
    if registry is None:
        return []
    listed = getattr(registry, "_collector_to_names", None)
    if listed is None:
        return [registry]
    return [collector for collector in list(listed) if not isinstance(collector, Collector)]


class _One(ClientCollector):
    """A registry of one family, for prometheus_client's own writer."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return [self._family]


def _rendered(family: Metric, *, openmetrics: bool) -> bytes:
    if not openmetrics:
        return exposition.generate_latest(_One(family))
    written: bytes = openmetrics_exposition.generate_latest(_One(family))
    return written.removesuffix(EOF.encode())
