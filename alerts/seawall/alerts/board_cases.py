"""promtool tests of what is recorded for boards: two replicas of one guard, and what each rule makes of them.

Every recording needs its answers here: one without them fails the generator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

from seawall.alerts.context import Context
from seawall.alerts.document import GuardPolicy
from seawall.alerts.model import Signal
from seawall.alerts.options import BASE_WINDOW
from seawall.alerts.timeline import notation, samples, series
from seawall.telemetry import catalog
from seawall.telemetry.promql import quoted, window
from seawall.telemetry.recorded import Recorded

#: Over which budgets are averaged, at whatever pace.
HOUR = 3600.0
REPLICAS = ("replica-1:9464", "replica-2:9464")
Labels = dict[str, str]
#: What a rule's series are, by their labels.
Answers = list[tuple[Labels, float]]


def test_file(context: Context) -> tuple[str, dict[str, object]] | None:
    """Name and content; ``None`` where there is no guard to test with."""
    having = context.document.having("breaker")
    if not context.document.guards:
        return None
    scene = _Scene(context, (having or context.document.guards)[0])
    pace = context.options.evaluation_interval
    full = 2 * context.seconds(BASE_WINDOW)
    end, later = (pace * ceil(length / pace + 2) for length in (full, full + HOUR))
    cases = [_case("rates and shares", *scene.rates(), step=context.step, end=later)]
    if having:
        cases.append(_case("states and their changes", *scene.states(), step=pace, end=end))
    files, groups = ["rates", "boards"], ["rates", "boards"]
    if having:
        files[1:1], groups[1:] = ["breaker"], ["alerts, breaker", "boards", "boards, breakers"]
    document: dict[str, object] = {
        "rule_files": [f"../rules/{file}.yml" for file in files],
        "evaluation_interval": window(pace),
        "group_eval_order": [f"seawall {group}: {context.job}" for group in groups],
        "tests": cases,
    }
    return f"boards_every_{window(pace)}_test.yml", document


class _Scene:
    """One guard on two replicas, the second of which has more to do."""

    def __init__(self, context: Context, guard: GuardPolicy) -> None:
        self.context, self.kept = context, context.kept
        self.service = dict.fromkeys(self.kept.service_labels, "one") | {"job": context.job}
        self.guard = guard.name
        self.operation = guard.operations[0]

    def rates(self) -> tuple[list[Signal], list[tuple[Recorded, Answers]]]:
        kept, of, each = self.kept, self._of_guard, self._of_each
        success, seconds = catalog.CALLS.name, catalog.CALL_DURATION
        per_second = {
            (success, "outcome", "success"): (2.0, 6.0),
            (success, "outcome", "failure"): (1.0, 1.0),
            (success, "outcome", "degraded"): (1.0, 1.0),
            (success, "outcome", "cancelled"): (4.0, 4.0),
            (seconds.bucket, "le", "0.1"): (2.0, 6.0),
            (seconds.bucket, "le", "+Inf"): (4.0, 12.0),
            (seconds.count, "", ""): (4.0, 12.0),
            (seconds.sum, "", ""): (2.0, 3.0),
            (catalog.ERRORS.name, "error", "Broken"): (1.0, 2.0),
            (catalog.REJECTIONS.name, "policy", "breaker"): (2.0, 2.0),
        }
        signals = [
            self._signal(name, replica, "counter", level, {label: value} if label else {})
            for (name, label, value), levels in per_second.items()
            for replica, level in zip(REPLICAS, levels, strict=True)
        ]
        outcomes = [
            ({**labels, "outcome": outcome}, level)
            for (name, _, outcome), levels in per_second.items()
            if name == success
            for labels, level in each(*levels)
        ]
        answers = {
            kept.calls_of_an_hour: [
                item
                for outcome, level in (("success", 8), ("failure", 2), ("degraded", 2), ("cancelled", 8))
                for item in of(level, outcome=outcome)
            ],
            kept.durations: [*of(8, le="0.1"), *of(16, le="+Inf")],
            kept.errors: of(3, error="Broken"),
            kept.rejections: of(4, policy="breaker", reason="open"),
            kept.replica_outcomes: outcomes,
            kept.replica_calls: each(4, 8),
            kept.replica_failed: each(0.25, 0.125),
            kept.replica_degraded: each(0.25, 0.125),
            kept.replica_seconds: each(0.5, 0.25),
        }
        return signals, [(one, answers[one]) for one in (kept.rejections, *kept.for_boards)]

    def states(self) -> tuple[list[Signal], list[tuple[Recorded, Answers]]]:
        """A change a step on the first replica, three on the second; at the end the first is open."""
        kept, pace = self.kept, self.context.options.evaluation_interval
        change, moved = {"from_state": "closed", "to_state": "open"}, catalog.BREAKER_TRANSITIONS.name
        state, counted = catalog.BREAKER_STATE.name, catalog.BREAKER_WOULD_REJECT.name
        first, second = REPLICAS
        signals = [
            self._signal(moved, first, "counter", 1 / pace, change),
            self._signal(moved, second, "counter", 3 / pace, change),
            *(self._signal(counted, replica, "counter", 2 / pace, {}) for replica in REPLICAS),
            self._signal(state, first, "gauge", 1, {"state": "open"}),
            self._signal(state, first, "gauge", 0, {"state": "closed"}),
            self._signal(state, second, "gauge", 0, {"state": "open"}),
            self._signal(state, second, "gauge", 1, {"state": "closed"}),
        ]
        answers = {
            kept.would_reject: self._of_guard(round(4 / pace, 3)),
            kept.states: [*self._of_guard(1, state="open"), *self._of_guard(1, state="closed")],
            kept.worst_states: self._of_guard(4),
            kept.transitions: self._of_guard(4, to_state="open"),
            kept.replica_rejecting: self._of_each(1, 0),
        }
        return signals, [(one, answers[one]) for one in (kept.states, *kept.of_breakers)]

    def _signal(self, name: str, replica: str, kind: str, level: float, labels: Labels) -> Signal:
        own = {**self.service, self.kept.instance_label: replica, "dependency": self.guard, **labels}
        if name == catalog.REJECTIONS.name:
            own["reason"] = "open"
        elif name == catalog.CALLS.name or name.startswith(catalog.CALL_DURATION.name):
            own["operation"] = self.operation
        return Signal(name, own, "counter" if kind == "counter" else "gauge", level, level)

    def _of_guard(self, value: float, **labels: str) -> Answers:
        return [({**self.service, "dependency": self.guard, **labels}, value)]

    def _of_each(self, *values: float) -> Answers:
        label = self.kept.instance_label
        return [
            ({**self.service, label: replica}, value) for replica, value in zip(REPLICAS, values, strict=True)
        ]


def _case(
    name: str,
    signals: Sequence[Signal],
    asked: Sequence[tuple[Recorded, Answers]],
    *,
    step: float,
    end: float,
) -> dict[str, object]:
    length = ceil(round(end / step, 6))
    return {
        "name": f"for boards: {name}",
        "interval": window(step),
        "input_series": [
            {"series": series(signal), "values": notation(samples(signal, [("quiet", length)], step))}
            for signal in signals
        ],
        "promql_expr_test": [
            {
                # Versions of Prometheus differ in the last digits of a rate.
                "expr": f"round({recorded.name}, 0.001)",
                "eval_time": window(end),
                "exp_samples": [{"labels": _shown(labels), "value": value} for labels, value in answers],
            }
            for recorded, answers in asked
        ],
    }


def _shown(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}={quoted(value)}" for name, value in labels.items()) + "}"
