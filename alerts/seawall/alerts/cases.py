"""promtool tests, generated from the scenario of every alert: nothing can be added to a bundle untested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil

from seawall.alerts import causes, links
from seawall.alerts.breaker_alerts import OPEN
from seawall.alerts.context import ELSEWHERE, Context
from seawall.alerts.model import Alert, Mishap, Scenario, Signal
from seawall.alerts.text import Seen
from seawall.alerts.timeline import Phase, Sample, happen, notation, samples, series
from seawall.telemetry.promql import quoted, window


def of(context: Context, alert: Alert, siblings: Sequence[Alert]) -> Iterator[dict[str, object]]:
    """Fires and recovers; stays quiet just below its threshold; and each mishap of its scenario.

    ``siblings`` are rules of the same name that fire on the same input; promtool asks for all of a name.
    """
    scene = alert.scenario
    yield _case(context, alert, "fires, recovers", None, (alert, *siblings))
    if not scene.always:
        yield _near(alert)
    if scene.few:
        yield _few(alert)
    for cause in causes.signals(context, alert):
        yield _explained(alert, cause, f"silent while {_called(cause)}")
        for other in _moved(context, [cause]):
            title = f"fires while elsewhere {_called(cause)}"
            yield _explained(alert, other, title, fires=True)
        if cause.labels["alertname"] == OPEN.name != alert.name:
            yield _no_longer_explained(context, alert, cause)
    for mishap in scene.mishaps:
        yield _case(context, alert, mishap, mishap)


def _case(
    context: Context, alert: Alert, title: str, mishap: Mishap | None, together: Sequence[Alert] = ()
) -> dict[str, object]:
    scene = alert.scenario
    phases: list[tuple[Phase, int]] = [("quiet", _steps(scene, scene.lead))] if scene.lead else []
    phases += [("firing", _steps(scene, scene.bad)), ("quiet", _steps(scene, scene.tail))]
    begin = _steps(scene, scene.lead) + 1 if scene.lead else 0
    end = begin + _steps(scene, scene.bad) - (1 if scene.lead else 0)
    last = end + _steps(scene, scene.tail)
    inputs: dict[str, str] = {}
    for signal in scene.signals:
        own: list[Sample] = samples(signal, phases, scene.step)
        inputs[series(signal)] = notation(happen(mishap, signal, own, begin, end) if mishap else own)
    gone = mishap == "target vanishes"
    checks = [(end, True), (last, scene.fires_unseen if gone else scene.always)]
    if scene.lead and not scene.always:
        checks.insert(0, (begin - 1, False))
    for signal in _elsewhere(context, scene):
        inputs[series(signal)] = notation(samples(signal, [("quiet", last)], scene.step))
    case = _shell(alert, title, inputs)
    if mishap is None:
        alerts = [_expected(context, each, scene.value) for each in together]
        case["alert_rule_test"] = [
            {"eval_time": _at(scene, end), "alertname": alert.name, "exp_alerts": alerts}
        ]
    case["promql_expr_test"] = [_firing(alert, scene, index, fires) for index, fires in checks]
    return case


def _near(alert: Alert) -> dict[str, object]:
    scene = alert.scenario
    length = _steps(scene, scene.lead) + _steps(scene, scene.bad)
    inputs = {
        series(signal): notation(samples(signal, [("near", length)], scene.step)) for signal in scene.signals
    }
    case = _shell(alert, "stays quiet just below its threshold", inputs)
    case["promql_expr_test"] = [_firing(alert, scene, index, False) for index in (length // 2, length)]
    return case


def _few(alert: Alert) -> dict[str, object]:
    """Firing input, but a thousandth of all that is counted: not one event in the shortest window."""
    scene = alert.scenario
    length = _steps(scene, scene.bad)
    inputs: dict[str, str] = {}
    for signal in scene.signals:
        less = replace(signal, firing=signal.firing / (1000 if signal.kind == "counter" else 1))
        inputs[series(signal)] = notation(samples(less, [("firing", length)], scene.step))
    case = _shell(alert, "quiet while there is hardly a call", inputs)
    case["promql_expr_test"] = [_firing(alert, scene, index, False) for index in (length // 2, length)]
    return case


def _called(cause: Signal) -> str:
    return f"{cause.labels['alertname']} fires ({cause.labels['severity']})"


def _elsewhere(context: Context, scene: Scenario) -> list[Signal]:
    """The same in another cluster, where nothing is wrong: neither must hear of the other."""
    return [] if scene.always else _moved(context, scene.signals)


def _moved(context: Context, signals: Sequence[Signal]) -> list[Signal]:
    label = context.options.cluster_label
    return [replace(s, labels={**s.labels, label: ELSEWHERE}) for s in signals] if label else []


def _explained(alert: Alert, cause: Signal, title: str, fires: bool = False) -> dict[str, object]:
    """Firing input, and its cause fires all the time."""
    scene = alert.scenario
    length = _steps(scene, scene.bad)
    inputs = {
        series(signal): notation(samples(signal, [("firing", length)], scene.step))
        for signal in (*scene.signals, cause)
    }
    case = _shell(alert, title, inputs)
    checks = [(length, True)] if fires else [(length // 2, False), (length, False)]
    case["promql_expr_test"] = [_firing(alert, scene, index, expected) for index, expected in checks]
    return case


def _no_longer_explained(context: Context, alert: Alert, cause: Signal) -> dict[str, object]:
    """Firing input all the time; its cause ends: silent while some of that is in the window, then not."""
    scene = alert.scenario
    caused, after = _steps(scene, scene.bad), _steps(scene, context.seconds(causes.looks_back(alert)))
    last = caused + after + _steps(scene, alert.hold) + 2
    inputs = {
        series(signal): notation(samples(signal, [("firing", last)], scene.step)) for signal in scene.signals
    }
    inputs[series(cause)] = notation([*[1.0] * (caused + 1), "stale"])
    case = _shell(alert, f"silent for a while after {cause.labels['alertname']} has ended", inputs)
    case["promql_expr_test"] = [
        _firing(alert, scene, index, fires)
        for index, fires in ((caused, False), (caused + after - 1, False), (last, True))
    ]
    return case


def _shell(alert: Alert, title: str, inputs: dict[str, str]) -> dict[str, object]:
    own = " ".join(alert.static_labels.values()).replace("\n", " ")
    return {
        "name": f"{alert.name} ({own}): {title}",
        "interval": window(alert.scenario.step),
        "input_series": [{"series": name, "values": values} for name, values in inputs.items()],
    }


def _firing(alert: Alert, scene: Scenario, index: int, fires: bool) -> dict[str, object]:
    """Whether this very rule fires; other rules of the same name may."""
    matchers = {"alertname": alert.name, "alertstate": "firing", **alert.static_labels}
    body = ",".join(f"{name}={quoted(value)}" for name, value in matchers.items())
    return {
        "expr": f"count(ALERTS{{{body}}})",
        "eval_time": _at(scene, index),
        "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
    }


def _expected(context: Context, alert: Alert, value: float) -> dict[str, object]:
    scene = alert.scenario
    labels = {**scene.labels, **alert.static_labels}
    seen = Seen(labels=scene.labels, value=value, settings=scene.settings, modes=scene.modes)
    return {
        "exp_labels": labels,
        "exp_annotations": {name: text.shown(seen) for name, text in links.texts(context, alert).items()},
    }


def _steps(scene: Scenario, seconds: float) -> int:
    return ceil(round(seconds / scene.step, 6))


def _at(scene: Scenario, index: int) -> str:
    return window(index * scene.step) if index else "0s"
