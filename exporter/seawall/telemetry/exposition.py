"""Lines of the two text formats: names, labels, numbers and exemplars, escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence

from seawall.resilience.ledger import Exemplar
from seawall.telemetry.catalog import Series

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
EOF = "# EOF\n"


def exposed_type(series: Series) -> str:
    """The type on the page. A state set is a gauge: OpenMetrics wants its label named like the family."""
    return "gauge" if series.type == "stateset" else series.type


def family_header(series: Series, *, openmetrics: bool) -> str:
    """HELP and TYPE, and UNIT where OpenMetrics has one.

    OpenMetrics names the family without the sample's suffix; the older text format names the sample.
    """
    kind = exposed_type(series)
    if not openmetrics:
        kind = "gauge" if kind == "info" else kind
        text = series.help.replace("\\", "\\\\").replace("\n", "\\n")
        return f"# HELP {series.name} {text}\n# TYPE {series.name} {kind}\n"
    unit = f"# UNIT {series.family} {series.unit}\n" if series.unit else ""
    return f"# HELP {series.family} {_escaped(series.help)}\n# TYPE {series.family} {kind}\n{unit}"


def labelled(name: str, labels: Sequence[str], values: Sequence[str]) -> str:
    """``name{label="value",...}``; whatever the values hold, one line that reads back as them."""
    if not labels:
        return name
    pairs = ",".join(f'{k}="{_escaped(v)}"' for k, v in zip(labels, values, strict=True))
    return f"{name}{{{pairs}}}"


def number(value: float) -> str:
    """A sample's value or a bucket's bound."""
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def with_exemplar(value: float, exemplar: Exemplar) -> str:
    """A value with what comes after it in OpenMetrics."""
    pairs = ",".join(f'{k}="{_escaped(v)}"' for k, v in exemplar.labels.items())
    return f"{value} # {{{pairs}}} {number(exemplar.value)} {exemplar.at:.3f}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
