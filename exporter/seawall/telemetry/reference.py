"""The reference of everything that is reported, printed from the catalog.

``python -m seawall.telemetry.reference`` prints it as Markdown.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields

from seawall.resilience.events import EVENT_TYPES
from seawall.resilience.fields import ERROR_NAMES, FIELDS_BY_NAME, REJECTIONS, STALE_BUCKETS
from seawall.resilience.ledger import Entry, Layout
from seawall.telemetry import catalog
from seawall.telemetry.catalog import Series
from seawall.telemetry.dropped import REASONS
from seawall.telemetry.exposition import exposed_type

_FREE = {
    "dependency": "the guard's name",
    "operation": "a declared operation of the guard; `default` when none is",
    "error": f"an exception's type; the first {ERROR_NAMES} of a guard, then `other`",
    "policy": "a policy of the guard",
    "setting": "a number of it",
    "criticality": "`critical`, `default`, `sheddable`",
    "policy_hash": "of the guard's entry in the policy document",
    "listener": "name of a listener",
    "version": "of this library",
    "python": "of the interpreter",
}
_ACROSS = {"max": "the largest", "min": "the smallest", "worst": "the worst", "sum": "the sum"}


def document() -> str:
    """The whole reference, as Markdown."""
    return "\n".join([*_head(), *_series(), *_formats(), *_traces(), *_logs(), *_losses(), ""])


def _head() -> Iterator[str]:
    yield "# What is reported"
    yield ""
    yield (
        "Printed from `seawall.telemetry.catalog`, the one place that names things, by `make generate`. Base"
        " units: seconds, and ratios from 0 to 1. Labels come from configured names and closed sets only; the"
        " scrape adds `job` and `instance`."
    )


def _series() -> Iterator[str]:
    yield from ("", "## Series", "")
    yield from _table(
        ("series", "type", "labels", "of", "meaning"),
        (
            (
                f"`{series.name}`",
                exposed_type(series),
                ", ".join(f"`{label}`" for label in series.labels) or "none",
                _brought_by(series),
                series.help,
            )
            for series in catalog.SERIES
        ),
    )
    yield from ("", "### Values of labels", "")
    yield from _table(
        ("series", "label", "values"),
        ((f"`{s.name}`", f"`{label}`", values) for s in catalog.SERIES for label, values in _values(s)),
    )
    yield from ("", "Any series:", "")
    yield from _table(("label", "what it holds"), ((f"`{k}`", text) for k, text in _FREE.items()))
    yield from ("", "### Buckets of histograms, upper bounds in seconds", "")
    yield from _table(
        ("series", "buckets"),
        (
            (f"`{s.name}`", ", ".join(f"{b:g}" for b in _entries(s)[0].bounds))
            for s in catalog.SERIES
            if s.type == "histogram"
        ),
    )
    yield from (
        "",
        "Durations of calls and attempts have the guard's own `buckets` where it sets them; ages of stale"
        " values end with the age that is still served.",
        "",
        "### Several processes on one page",
        "",
        "Counters and histograms are sums over all processes, those that have ended too. Gauges are of the"
        " living:",
        "",
    )
    gauges = [s for s in catalog.SERIES if s.field and FIELDS_BY_NAME[s.field].kind == "gauge"]
    yield from _table(
        ("series", "of all processes"),
        ((f"`{s.name}`", _ACROSS[FIELDS_BY_NAME[s.field].across]) for s in gauges),
    )


def _formats() -> Iterator[str]:
    yield from (
        "",
        "## Formats",
        "",
        "`/metrics` speaks text 0.0.4 and OpenMetrics 1.0, whichever the scraper prefers, and gzip when it is"
        " asked to. Exemplars come with OpenMetrics.",
        "",
        "- No `_created` series: OpenMetrics leaves them optional, they double the counters' lines, and every"
        " counter is there at 0 before its first increment.",
        "- No native histograms: Prometheus takes them over its protobuf format only, which"
        " prometheus_client (0.26) does not write; and their buckets would cost every call a logarithm,"
        " where the fixed ones cost a comparison.",
    )


def _traces() -> Iterator[str]:
    yield from ("", "## Spans", "")
    yield from _table(("span", "meaning"), ((f"`{name}`", text) for name, text in catalog.SPANS.items()))
    yield from ("", "## Attributes of spans", "")
    yield from _table(("attribute", "meaning"), ((f"`{k}`", text) for k, text in catalog.ATTRIBUTES.items()))


def _logs() -> Iterator[str]:
    yield from ("", "## Log events", "")
    yield (
        "Every line has `event`, `level`, `timestamp`, and, where there is a request or a trace,"
        " `correlation_id`, `trace_id`, `span_id`. Errors are names of types, never texts. An event of"
        " one guard that comes too often is held back; the next line says how many were, in `suppressed`."
        " When a breaker opens, `trace_ids` are the traces of the calls that made it, as far as they were"
        " sampled."
    )
    yield ""
    kinds = {kind.__name__: [f.name for f in fields(kind) if f.name != "at"] for kind in EVENT_TYPES}
    yield from _table(
        ("event", "keys"),
        (
            (f"`{name}`", ", ".join(f"`{k}`" for k in kinds[kind]))
            for kind, name in catalog.LOG_EVENTS.items()
        ),
    )


def _losses() -> Iterator[str]:
    yield from ("", f"## What telemetry loses: `{catalog.TELEMETRY_DROPPED.name}`", "")
    yield from _table(
        ("signal", "reason", "what was lost"),
        ((f"`{signal}`", f"`{reason}`", text) for (signal, reason), text in REASONS.items()),
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _brought_by(series: Series) -> str:
    if series.policy:
        return series.policy.replace("_", " ")
    return "every guard" if "dependency" in series.labels else "every page"


def _layout() -> Layout:
    policies = {f.policy for f in FIELDS_BY_NAME.values() if f.policy} | set(REJECTIONS)
    modes = ("alternative", "stale", "queued", "default")
    return Layout(
        operations=("default",), policies=sorted(policies), modes=modes, stale_for=STALE_BUCKETS[-1]
    )


_LAYOUT = _layout()


def _entries(series: Series) -> list[Entry]:
    return [entry for entry in _LAYOUT.entries if entry.field.name == series.field]


def _values(series: Series) -> Iterator[tuple[str, str]]:
    """Labels of a series that take values of a closed set."""
    entries = _entries(series)
    for label in series.labels[1:] if entries else ():
        at = entries[0].field.labels.index(label)
        if label not in ("operation", "error"):
            found = dict.fromkeys(entry.labels[at] for entry in entries)
            yield label, ", ".join(f"`{value}`" for value in found)


if __name__ == "__main__":
    sys.stdout.write(document())
