"""Files that make Grafana load the dashboards and know its Prometheus when it starts."""

from __future__ import annotations

import json
import re
from typing import Any

from seawall.dashboards.options import Options

DATASOURCE_UID = "prometheus"
#: What YAML takes for a break of lines, or not at all. Beyond U+FFFF it does not know JSON's escapes.
_NO_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def build(options: Options) -> dict[str, str]:
    """Texts by path below Grafana's provisioning folder. JSON is YAML, but for some characters."""
    return {
        "dashboards/seawall.yml": _text(_dashboards(options)),
        "datasources/seawall.yml": _text(_datasources(options)),
    }


def _dashboards(options: Options) -> dict[str, Any]:
    provider = {
        "name": "seawall",
        "orgId": 1,
        "folder": options.folder,
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": options.dashboards_path, "foldersFromFilesStructure": False},
    }
    return {"apiVersion": 1, "providers": [provider]}


def _datasources(options: Options) -> dict[str, Any]:
    settings: dict[str, Any] = {"httpMethod": "POST", "timeInterval": options.scrape_interval}
    destination: dict[str, str] = {"name": "trace_id"}
    if options.trace_datasource:
        destination["datasourceUid"] = options.trace_datasource
    if options.trace_url:
        destination["url"] = options.trace_url
    if len(destination) > 1:
        settings["exemplarTraceIdDestinations"] = [destination]
    prometheus = {
        "name": "Prometheus",
        "uid": options.datasource or DATASOURCE_UID,
        "type": "prometheus",
        "access": "proxy",
        "url": options.prometheus_url,
        "isDefault": True,
        "jsonData": settings,
    }
    return {"apiVersion": 1, "datasources": [prometheus]}


def _text(content: dict[str, Any]) -> str:
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    # Provisioning expands environment variables: a doubled $ stays one.
    return _NO_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text.replace("$", "$$"))
