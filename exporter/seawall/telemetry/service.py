"""Who reports: the service's name, version and instance, as a resource and as labels of ``target_info``."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from opentelemetry.sdk.resources import Resource
from opentelemetry.semconv.attributes import service_attributes

from seawall.telemetry import catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Identity of the reporting process. ``instance_id`` is made up when not given."""

    name: str
    version: str = ""
    instance_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def resource(self) -> Resource:
        """The OpenTelemetry resource, merged over what the environment says."""
        attributes = {
            service_attributes.SERVICE_NAME: self.name,
            service_attributes.SERVICE_INSTANCE_ID: self.instance_id,
        }
        if self.version:
            attributes[service_attributes.SERVICE_VERSION] = self.version
        return Resource.create(attributes)

    def label_values(self) -> tuple[str, ...]:
        """Values for the labels of ``target_info``, in the catalog's order."""
        values = {
            "service_name": self.name,
            "service_version": self.version,
            "service_instance_id": self.instance_id,
        }
        return tuple(values[label] for label in catalog.TARGET_INFO.labels)
