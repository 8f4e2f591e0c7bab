"""The Prometheus configuration: what is scraped, which rules are loaded, where alerts go."""

from __future__ import annotations

from seawall.alerts.context import Context
from seawall.alerts.yaml_text import dump
from seawall.telemetry.promql import window


def build(context: Context, heading: str) -> str:
    """``prometheus.yml``, for Prometheus 2.42 and newer. Paths in it are relative to the file."""
    options = context.options
    interval = window(options.scrape_interval)
    scrape: dict[str, object] = {
        "job_name": context.job,
        "metrics_path": "/metrics",
        "static_configs": [_targets(context)],
    }
    document: dict[str, object] = {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": window(min(options.scrape_interval, 10.0)),
            "evaluation_interval": window(options.evaluation_interval),
            "external_labels": {"cluster": options.cluster},
        },
        "rule_files": ["rules/*.yml"],
        "scrape_configs": [scrape],
    }
    if options.alertmanagers:
        document["alerting"] = {
            "alertmanagers": [{"static_configs": [{"targets": list(options.alertmanagers)}]}]
        }
    return dump(document, heading)


def _targets(context: Context) -> dict[str, object]:
    found: dict[str, object] = {"targets": list(context.options.targets)}
    if context.options.target_labels:
        found["labels"] = dict(context.options.target_labels)
    return found
