"""Prometheus rules, their tests, Alertmanager configuration and runbooks from a policy document.

from seawall.alerts import Options, build
files = build(registry.describe(), Options(targets=("127.0.0.1:9464",)))    # {"prometheus/rules/...": "..."}

`build` gives paths and texts and writes nothing.
"""

from seawall.alerts.build import build
from seawall.alerts.kubernetes import KubernetesOptions
from seawall.alerts.kubernetes import build as build_kubernetes
from seawall.alerts.mutes import Mute
from seawall.alerts.notify_file import Notify, read
from seawall.alerts.options import Options
from seawall.alerts.receivers import Email, PagerDuty, Receiver, Slack, Teams, Webhook

__all__ = [
    "Email",
    "KubernetesOptions",
    "Mute",
    "Notify",
    "Options",
    "PagerDuty",
    "Receiver",
    "Slack",
    "Teams",
    "Webhook",
    "build",
    "build_kubernetes",
    "read",
]
