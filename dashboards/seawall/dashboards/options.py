"""What a user may choose about the dashboards without editing JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields

from seawall.dashboards.palette import Palette
from seawall.dashboards.panels import Panel, Row
from seawall.dashboards.problems import NO_TEXT, OptionsError, is_text, wrong_items, wrong_type
from seawall.telemetry.catalog import OWN_LABELS
from seawall.telemetry.promql_text import is_label, seconds, window

_PREFIX = re.compile(r"[a-zA-Z0-9_-]{1,16}")
_INTERVAL = re.compile(r"[1-9][0-9]{0,8}(ms|s|m|h)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Every field has a default that suits one service on one Prometheus.

    Label names: ``job_label`` and ``instance_label`` as the scrape writes them; ``cluster_label`` and
    ``namespace_label`` add a variable and a matcher each when given. ``several_services`` keeps guards of the
    same name in different jobs apart, for boards that watch more than one service.

    ``recorded``: Overview and Fleet ask for what the recording rules of `seawall.alerts` keep, so that they
    are as fast for 300 replicas as for one; they are about all replicas and have no variable ``instance``.
    False where these rules are not loaded: both ask for raw series, as the other boards do. ``rate_window``:
    of these rules, 5 minutes unless a bundle is made at another pace.

    ``drop`` takes out panels by ``board.key``, such as ``overview.latency``. ``extra`` adds rows to a
    board by its name. ``change`` is called with (board name, panel) and gives the panel to draw: another
    unit, other thresholds, a wider one.

    ``datasource`` is the uid of the Prometheus to start with ("" for Grafana's default).
    ``trace_datasource`` is the uid of the data source that opens exemplars; ``trace_url`` a link with
    ``${__value.raw}`` for the trace id instead.
    """

    folder: str = "Resilience"
    tags: tuple[str, ...] = ("resilience", "seawall")
    uid_prefix: str = "seawall"
    datasource: str = ""
    job_label: str = "job"
    instance_label: str = "instance"
    cluster_label: str = ""
    namespace_label: str = ""
    several_services: bool = False
    recorded: bool = True
    rate_window: str = "5m"
    time_from: str = "now-1h"
    refresh: str = "30s"
    scrape_interval: str = "15s"
    prometheus_url: str = "http://127.0.0.1:9090"
    dashboards_path: str = "/var/lib/grafana/dashboards"
    trace_datasource: str = ""
    trace_url: str = ""
    palette: Palette = field(default_factory=Palette)
    drop: AbstractSet[str] = frozenset()
    extra: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    change: Callable[[str, Panel], Panel] | None = None

    def __post_init__(self) -> None:
        """Raise `OptionsError` that names everything that is wrong."""
        if wrong := self._of_another_type():
            raise OptionsError(tuple(wrong))
        labels = {
            "job_label": self.job_label,
            "instance_label": self.instance_label,
            "cluster_label": self.cluster_label or "cluster",
            "namespace_label": self.namespace_label or "namespace",
        }
        wrong = [
            f"{k} {v!r} is no label name; allowed: letters, digits and _, but __*, inf, nan, without"
            for k, v in labels.items()
            if not is_label(v)
        ]
        taken = sorted(OWN_LABELS & set(labels.values()))
        wrong += [f"label {name!r} is one of the library's own" for name in taken]
        if len(set(labels.values())) < len(labels):
            wrong.append(f"two of {', '.join(labels)} are the same")
        if not _PREFIX.fullmatch(self.uid_prefix):
            wrong.append(f"uid_prefix {self.uid_prefix!r}: 1 to 16 of letters, digits, - and _")
        for name in ("refresh", "scrape_interval"):
            value = getattr(self, name)
            if not _INTERVAL.fullmatch(value):
                wrong.append(f"{name} {value!r} is no interval such as 15s or 1m")
        length = seconds(self.rate_window)
        if not length or window(length) != self.rate_window:
            # Another way to write it would be another name than the rules have.
            wrong.append(f"rate_window {self.rate_window!r} is no window such as 5m or 1m30s")
        if not self.folder.strip():
            wrong.append("folder is empty")
        if wrong:
            raise OptionsError(tuple(wrong))

    def _of_another_type(self) -> list[str]:
        wrong = []
        for setting in fields(self):
            value = getattr(self, setting.name)
            if isinstance(setting.default, bool):
                wrong += wrong_type(setting.name, value, bool, "True or False")
            elif isinstance(setting.default, str):
                wrong += wrong_type(setting.name, value, str, "a str")
        wrong += wrong_items("tags", self.tags, str, "str")
        texts = {name: value for s in fields(self) if isinstance(value := getattr(self, name := s.name), str)}
        texts |= (
            {f"tags[{n}]": tag for n, tag in enumerate(self.tags) if isinstance(tag, str)}
            if not wrong
            else {}
        )
        wrong += [f"{name} is {text!r}; {NO_TEXT}" for name, text in texts.items() if not is_text(text)]
        wrong += wrong_type("palette", self.palette, Palette, "a Palette")
        wrong += wrong_type("drop", self.drop, AbstractSet, "a set of board.key, such as overview.calls")
        wrong += wrong_type("extra", self.extra, Mapping, "a mapping of boards to tuples of Row")
        for name, rows in self.extra.items() if isinstance(self.extra, Mapping) else ():
            wrong += wrong_items(f"extra[{name!r}]", rows, Row, "Row")
        if self.change is not None and not callable(self.change):
            wrong.append(f"change is {self.change!r}; allowed: a function of a board's name and a Panel")
        return wrong

    @property
    def process_labels(self) -> tuple[str, ...]:
        """Labels that the scrape adds and that together name one process, widest first."""
        every = (self.cluster_label, self.namespace_label, self.job_label, self.instance_label)
        return tuple(label for label in every if label)
