"""Prometheus rules, their tests, Alertmanager configuration and runbooks from a policy document.

from seawall.alerts import Options, build
files = build(registry.describe(), Options(targets=("127.0.0.1:9464",)))    # {"prometheus/rules/...": "..."}

`build` gives paths and texts and writes nothing.
"""

from seawall.alerts.build import build
from seawall.alerts.options import Options

__all__ = ["Options", "build"]
