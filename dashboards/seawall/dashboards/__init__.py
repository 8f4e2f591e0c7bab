"""Grafana dashboards from a policy document.

    from seawall.dashboards import Options, build
    files = build(registry.describe())          # {"dependency.json": "...", "overview.json": "..."}

`build` gives file names and texts and writes nothing. The same document and options give the same bytes.
`uid` is a board's address, for links to it; `build_provisioning` makes Grafana load the files by itself;
`build_kubernetes` makes resources of them. `seawall.dashboards.importing` brings them in over HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from seawall.dashboards import _grafana, boards, facts, kubernetes, provisioning
from seawall.dashboards.facts import DocumentError
from seawall.dashboards.kubernetes import KubernetesOptions
from seawall.dashboards.links import uid
from seawall.dashboards.options import Options
from seawall.dashboards.palette import Palette
from seawall.dashboards.problems import OptionsError

__all__ = [
    "DocumentError",
    "KubernetesOptions",
    "Options",
    "OptionsError",
    "Palette",
    "build",
    "build_kubernetes",
    "build_provisioning",
    "uid",
]

_DEFAULTS = Options()


def build(document: Mapping[str, Any], options: Options = _DEFAULTS) -> dict[str, str]:
    """Dashboards by file name, sorted. `DocumentError` or `OptionsError` when they can't be made."""
    found = facts.read(document)
    made = {
        f"{board.name}.json": _text(
            _grafana.dashboard(board, options, uid=uid(found.service, board.name, options.uid_prefix))
        )
        for board in boards.every(found, options)
    }
    return dict(sorted(made.items()))


def build_provisioning(options: Options = _DEFAULTS) -> dict[str, str]:
    """Grafana's provisioning files by path below its provisioning folder."""
    return provisioning.build(options)


def build_kubernetes(
    dashboards: Mapping[str, str], options: KubernetesOptions | None = None
) -> dict[str, str]:
    """Kubernetes resources of what `build` gave, by path. `OptionsError` where one is too large."""
    return kubernetes.build(dashboards, options)


def _text(dashboard: Mapping[str, Any]) -> str:
    return json.dumps(dashboard, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
