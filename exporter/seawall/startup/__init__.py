"""Start everything around a registry with one call."""

from seawall.exporter import ExporterSettings
from seawall.startup.app import AppStartup, install
from seawall.startup.manager import ResilienceManager
from seawall.telemetry.otlp import OtlpSettings
from seawall.telemetry.processes import FolderError

__all__ = ["AppStartup", "ExporterSettings", "FolderError", "OtlpSettings", "ResilienceManager", "install"]
