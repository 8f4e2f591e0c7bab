"""Every scenario by its name, and the alerts that none of them raises."""

from __future__ import annotations

from tests.campaigns.told import operations, outages, strain
from tests.campaigns.told.model import Scenario

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario for scenario in (*outages.SCENARIOS, *strain.SCENARIOS, *operations.SCENARIOS)
}
#: Alerts of the catalogue that no scenario raises, and why.
NEVER: dict[str, str] = {
    "SeawallBreakerTrialOver": "asks for a week, which is five hours and a half at this pace.",
    "SeawallTelemetryDropped": "asks for telemetry that is sent, and the replicas send none. `make "
    "campaign-outage` measures what a collector that is gone does to a service.",
}
