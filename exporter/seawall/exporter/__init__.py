"""The HTTP surface: metrics, health and policies of a registry's guards."""

from seawall.exporter.app import PATHS, create_app
from seawall.exporter.limits import Limits
from seawall.exporter.server import DEFAULT_HOST, DEFAULT_PORT, ExporterServer, ExporterSettings, ServerError

__all__ = [
    "DEFAULT_HOST",
    "DEFAULT_PORT",
    "PATHS",
    "ExporterServer",
    "ExporterSettings",
    "Limits",
    "ServerError",
    "create_app",
]
