"""Who reports: the service's name, version and instance, as a resource and as labels of ``target_info``."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakSet

from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource

from seawall.telemetry import catalog


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Service:
    """Identity of the reporting process. ``instance_id`` is made up when not given, anew in a forked child:
    two processes that push the same series would overwrite each other's numbers.
    """

    name: str
    version: str = ""
    instance_id: str = ""

    def __post_init__(self) -> None:
        if not self.instance_id:
            self._make_up()
            _made_up.add(self)

    def resource(self) -> Resource:
        """The OpenTelemetry resource, merged over what the environment says."""
        return _resource(self.name, self.version, self.instance_id)

    def label_values(self) -> tuple[str, ...]:
        """Values for the labels of ``target_info``, in the catalog's order."""
        values = {
            "service_name": self.name,
            "service_version": self.version,
            "service_instance_id": self.instance_id,
        }
        return tuple(values[label] for label in catalog.TARGET_INFO.labels)

    def _make_up(self) -> None:
        object.__setattr__(self, "instance_id", uuid.uuid4().hex)


@lru_cache(maxsize=8)
def _resource(name: str, version: str, instance_id: str) -> Resource:
    attributes = {
        SERVICE_NAME: name,
        SERVICE_INSTANCE_ID: instance_id,
    }
    if version:
        attributes[SERVICE_VERSION] = version
    return Resource.create(attributes)


_made_up: WeakSet[Service] = WeakSet()


def _after_fork_in_child() -> None:
    for service in list(_made_up):
        service._make_up()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
