"""Promises about what can be seen: one id through everything, a clean page, queries that work."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from typing import Any

from reference.demo import quiet
from reference.demo.promise import Evidence, Promise
from seawall.telemetry import catalog


def followed(evidence: Evidence) -> Promise:
    """A request that failed and was retried, by its id: header, log lines, spans, exemplar."""
    text = "a failed and retried request can be followed by one correlation id"
    lines: dict[str, set[str]] = defaultdict(set)
    for line in evidence.logs:
        lines[str(line.get("correlation_id", ""))].add(str(line.get("event")))
    spans: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for span in evidence.spans:
        spans[span["trace_id"]].append(span)
    answered = {r.correlation_id: r for r in evidence.records if r.accepted and not r.degraded}
    tried = 0
    for exemplar in evidence.exemplars:
        identifier, trace = exemplar.correlation_id, spans[exemplar.ids.get("trace_id", "")]
        record = answered.get(identifier)
        if record is None or not _retried(trace, identifier):
            continue
        tried += 1
        if {catalog.LOG_EVENTS["RetryScheduled"], catalog.LOG_REQUEST} <= lines[identifier]:
            figures = (
                f"{identifier}: header of a {record.status}, {len(lines[identifier])} kinds of log lines,"
                f" {len(trace)} spans by OTLP, exemplar of {exemplar.series}"
            )
            return Promise(text, True, figures)
    return Promise(text, False, f"none of {tried} retried requests with an exemplar has all four")


def _retried(trace: list[dict[str, Any]], identifier: str) -> bool:
    calls = [
        span
        for span in trace
        if span["name"] == catalog.SPAN_CALL
        and span["attributes"].get(catalog.ATTR_CORRELATION_ID) == identifier
        and int(span["attributes"].get(catalog.ATTR_ATTEMPTS, 0)) > 1
    ]
    return any(
        attempt["name"] == catalog.SPAN_ATTEMPT
        and attempt["parent_span_id"] == call["span_id"]
        and attempt["attributes"].get(catalog.ATTR_ERROR_TYPE)
        for call in calls
        for attempt in trace
    )


def clean_page(evidence: Evidence) -> Promise:
    """`promtool check metrics` finds nothing."""
    text = "promtool finds nothing wrong with /metrics"
    promtool = shutil.which("promtool")
    if promtool is None:
        return Promise(text, None, "no promtool here")
    page = evidence.metrics_page.encode()
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    said = (done.stderr + done.stdout).decode().strip().splitlines()
    figures = said[0] if said else f"{len(evidence.metrics_page.splitlines())} lines"
    return Promise(text, done.returncode == 0 and not said, figures)


def queries_work(evidence: Evidence) -> list[Promise]:
    """Everything generated runs on Prometheus, and shows something, or there is a reason why it does not."""
    runs = "every query of every dashboard and rule runs on Prometheus"
    shows = "each returns data, but for those that are quiet for a reason"
    if evidence.prometheus is None:
        skipped = "no Prometheus here"
        return [Promise(runs, None, skipped), Promise(shows, None, skipped)]
    results = evidence.results
    refused = [f"refused: {one.query.where}: {one.query.texts[0]}" for one in results if one.problem]
    unexplained = quiet.unexplained(results)
    counts = f"{len(results)} queries in {sum(len(one.query.texts) for one in results)} forms"
    silent = [one for one in results if not one.series and not one.problem]
    alerts = sum(one.query.alert for one in silent)
    idle = f"{len(results) - len(refused) - len(silent)} did; {alerts} alerts had no cause"
    idle += f", {len(silent) - alerts} others are quiet"
    return [
        Promise(runs, bool(results) and not refused, "\n".join([counts, *refused])),
        Promise(shows, bool(results) and not unexplained, "\n".join([idle, *unexplained])),
    ]
