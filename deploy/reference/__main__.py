"""Runs the reference service: `python -m reference`, set up by the environment (see `reference.settings`)."""

from __future__ import annotations

import gc
import sys

import uvicorn

from reference.app import create_app
from reference.guards import registry
from reference.settings import Settings
from seawall.startup import ExporterSettings, OtlpSettings, install


def main() -> int:
    """Serve until SIGTERM or SIGINT. Exit code 2 for a setting that can't be."""
    try:
        settings = Settings.from_environment()
        otlp = None
        if settings.otlp_endpoint:
            otlp = OtlpSettings(endpoint=settings.otlp_endpoint, protocol=settings.otlp_protocol)
        exporter = ExporterSettings(port=settings.exporter_port)
    except ValueError as problem:
        print(f"reference service: {problem}", file=sys.stderr)
        return 2
    app = install(create_app(settings), registry, exporter=exporter, otlp=otlp, logs="json")
    # What is imported stays for ever: looking through it again would stop requests for tens of milliseconds.
    gc.collect()
    gc.freeze()
    uvicorn.run(app, host="127.0.0.1", port=settings.port, log_level="warning", access_log=False)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
