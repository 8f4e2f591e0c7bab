"""Names and values of labels in settings: legal, apart from each other, and none of the library's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from seawall.alerts.document import NAME, is_name
from seawall.telemetry.catalog import OWN_LABELS
from seawall.telemetry.promql_text import is_label

_OWN = f"{', '.join(sorted(OWN_LABELS))} (the library's own)"


def of_targets(labels: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """Problems of ``target_labels``."""
    for label, value in labels:
        if label in ("job", "instance") or not is_label(label):
            yield (
                f"names {label!r}; allowed: letters, digits and _, but job, instance, __*, inf, nan, without"
            )
        elif label in OWN_LABELS:
            yield f"names {label!r}; allowed: others than {_OWN}"
        if not is_name(value):
            yield f"says {label} is {value!r}; allowed: {NAME}"
    for label, count in Counter(label for label, _ in labels).items():
        if count > 1:
            yield f"names {label!r} {count} times; allowed: once"


def of_services(labels: Mapping[str, str]) -> Iterator[str]:
    """Problems of ``cluster_label`` and so on, by these names; "" is none for those that may be left out."""
    given = {
        name: label for name, label in labels.items() if label or name in ("job_label", "instance_label")
    }
    for name, label in given.items():
        if not is_label(label):
            # Prometheus keeps the last for itself, and drops them.
            yield f"{name} is {label!r}; allowed: letters, digits and _, but __*, inf, nan, without"
        elif label in OWN_LABELS:
            yield f"{name} is {label!r}; allowed: others than {_OWN}"
    for label, count in Counter(given.values()).items():
        if count > 1:
            names = " and ".join(name for name, other in given.items() if other == label)
            yield f"{names} are {label!r}; allowed: each another"
