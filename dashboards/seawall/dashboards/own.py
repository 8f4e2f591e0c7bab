"""Series that Prometheus itself adds for every target it scrapes; no catalog of ours can rename them."""

from __future__ import annotations

from seawall.telemetry.catalog import Series

UP = Series(name="up", type="gauge", help="Whether the last scrape succeeded.", labels=())
SCRAPE_SECONDS = Series(
    name="scrape_duration_seconds",
    type="gauge",
    help="How long the last scrape took.",
    labels=(),
    unit="seconds",
)
SCRAPE_SAMPLES = Series(
    name="scrape_samples_scraped", type="gauge", help="Samples in the last scrape.", labels=()
)
EVERY = (UP, SCRAPE_SECONDS, SCRAPE_SAMPLES)
