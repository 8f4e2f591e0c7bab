"""Promises are judged by evidence: each is shown evidence that keeps it and evidence that breaks it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reference.demo import promises_bank, promises_telemetry, promises_traffic
from reference.demo.promise import Evidence, Promise
from reference.demo.scenario import DEAD_BANK, HEALTHY, RECOVERY, SLOW_BANK, Phase, Played, Story
from reference.demo.watch import Exemplar, Notification
from reference.load import Record, upload_content

HEALTHY_AT, SLOW_AT, DEAD_AT, RECOVERY_AT, END = 0.0, 100.0, 200.0, 300.0, 400.0


def story() -> Story:
    names = ((HEALTHY, HEALTHY_AT), (SLOW_BANK, SLOW_AT), (DEAD_BANK, DEAD_AT), (RECOVERY, RECOVERY_AT))
    return Story([Played(Phase(name, 100.0, ""), at, at + 100.0) for name, at in names])


def request(at: float, seconds: float = 0.01, kind: str = "analytics", **more: Any) -> Record:
    return Record(kind, at, seconds, more.pop("late", 0.0), more.pop("status", 200), **more)


def usual() -> list[Record]:
    """Ten requests of each kind in each phase, all of them good."""
    kinds = ("analytics", "reconciliation")
    starts = (HEALTHY_AT, SLOW_AT, DEAD_AT)
    return [request(start + n, kind=kind) for start in starts for n in range(10) for kind in kinds]


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    for name in ("mails", "objects"):
        (tmp_path / name).mkdir()
    return Evidence(
        story=story(),
        records=usual(),
        notifications=[],
        logs=[],
        spans=[],
        exemplars=[],
        mails=tmp_path / "mails",
        objects=tmp_path / "objects",
        bundle=tmp_path,
        metrics_page="",
        request_timeout=1.5,
        prometheus=None,
        delivers=True,
    )


def with_records(evidence: Evidence, *more: Record) -> Evidence:
    return replace(evidence, records=[*evidence.records, *more])


class TestTraffic:
    def test_bounded(self, evidence: Evidence) -> None:
        assert promises_traffic.bounded(evidence).kept
        slow = request(DEAD_AT + 50, 1.51)
        assert promises_traffic.bounded(with_records(evidence, slow)).kept is False
        later = request(RECOVERY_AT + 50, 1.51)
        assert promises_traffic.bounded(with_records(evidence, later)).kept

    def test_without_requests_nothing_is_kept(self, evidence: Evidence) -> None:
        nothing = replace(evidence, records=[])
        assert promises_traffic.bounded(nothing).kept is False
        assert promises_traffic.unaffected(nothing).kept is False
        assert promises_bank.all_answered(nothing).kept is False

    def test_unaffected(self, evidence: Evidence) -> None:
        assert promises_traffic.unaffected(evidence).kept
        # 20 ms are allowed where twice the healthy p99 is less.
        assert promises_traffic.unaffected(with_records(evidence, request(DEAD_AT, 0.020))).kept
        assert promises_traffic.unaffected(with_records(evidence, request(DEAD_AT, 0.021))).kept is False
        needs_it = request(DEAD_AT, 1.0, kind="reconciliation")
        assert promises_traffic.unaffected(with_records(evidence, needs_it)).kept

    def test_a_generator_that_is_late_itself_can_t_judge(self, evidence: Evidence) -> None:
        late = request(DEAD_AT, 0.2, late=0.15)
        assert promises_traffic.unaffected(with_records(evidence, late)).kept is None

    def test_mails(self, evidence: Evidence) -> None:
        sent = request(1.0, kind="report", key="a")
        waited = request(2.0, kind="report", key="b" * 60, waiting=True, status=202)
        refused = request(3.0, kind="report", key="c", status=503)
        found = with_records(evidence, sent, waited, refused)
        self.deliver(found, "a")
        assert promises_traffic.nothing_lost(found)[0].kept is False
        self.deliver(found, "b" * 60)
        assert promises_traffic.nothing_lost(found)[0] == Promise(
            "no mail is lost: all that were accepted are with the mail server at the end",
            True,
            "2 accepted, 1 of them waited, 0 lost, 0 delivered twice",
        )

    @staticmethod
    def deliver(evidence: Evidence, key: str) -> None:
        # A long id is folded onto a line of its own by the mail's writer.
        text = f"From: a\nMessage-ID:\n <{key}@reconciliation.example.com>\n\nbody"
        (evidence.mails / f"{key[:8]}.eml").write_text(text)

    def test_uploads(self, evidence: Evidence) -> None:
        waited = request(1.0, kind="upload", key="a/b", waiting=True, status=202)
        found = with_records(evidence, waited)
        assert promises_traffic.nothing_lost(found)[1].kept is False
        path = evidence.objects / "a%2Fb"
        path.write_bytes(upload_content("a/b")[:-1])
        assert promises_traffic.nothing_lost(found)[1].kept is False
        path.write_bytes(upload_content("a/b"))
        assert promises_traffic.nothing_lost(found)[1].kept


def moved(at: float, before: str, after: str) -> dict[str, Any]:
    minutes, seconds = divmod(at, 60)
    return {
        "event": "breaker.transition",
        "dependency": "bank-api",
        "timestamp": f"1970-01-01T00:{int(minutes):02}:{seconds:06.3f}Z",
        "from_state": before,
        "to_state": after,
    }


OUTAGE = [
    moved(DEAD_AT + 1, "closed", "open"),
    moved(RECOVERY_AT + 1, "open", "half_open"),
    moved(RECOVERY_AT + 2, "half_open", "closed"),
]


def call(start: float, attempts: int = 0) -> dict[str, Any]:
    return {
        "name": "seawall.call",
        "start": start,
        "attributes": {
            "seawall.dependency": "bank-api",
            "seawall.attempts": attempts,
            "seawall.correlation_id": "id",
        },
    }


class TestBank:
    def test_opened(self, evidence: Evidence) -> None:
        promise, at = promises_bank.opened(replace(evidence, logs=OUTAGE))
        assert (promise.kept, at) == (True, DEAD_AT + 1)
        promise, at = promises_bank.opened(replace(evidence, logs=[moved(END, "closed", "open")]))
        assert (promise.kept, at) == (False, None)

    def test_a_breaker_that_the_slow_bank_opened_counts_while_it_is_not_closed(
        self, evidence: Evidence
    ) -> None:
        before = [moved(SLOW_AT + 1, "closed", "open"), moved(SLOW_AT + 6, "open", "half_open")]
        promise, at = promises_bank.opened(replace(evidence, logs=before))
        assert (promise.kept, at) == (True, SLOW_AT + 1)
        closed = [*before, moved(SLOW_AT + 7, "half_open", "closed")]
        assert promises_bank.opened(replace(evidence, logs=closed))[0].kept is False

    @pytest.mark.parametrize(
        ("answer", "kept"),
        [
            (request(DEAD_AT + 5, 0.25, "reconciliation", correlation_id="id", degraded=True), True),
            (request(DEAD_AT + 5, 0.26, "reconciliation", correlation_id="id", degraded=True), False),
            (request(DEAD_AT + 5, 0.25, "reconciliation", correlation_id="id"), False),
            (
                request(DEAD_AT + 5, 0.25, "reconciliation", correlation_id="id", degraded=True, status=503),
                False,
            ),
        ],
    )
    def test_degraded_in_time(self, evidence: Evidence, answer: Record, kept: bool) -> None:
        seen = replace(evidence, logs=OUTAGE, spans=[call(DEAD_AT + 5)], records=[answer])
        assert promises_bank.degraded_in_time(seen).kept is kept

    def test_calls_before_the_breaker_opened_do_not_count(self, evidence: Evidence) -> None:
        early = replace(evidence, logs=OUTAGE, spans=[call(DEAD_AT + 0.5)])
        assert promises_bank.degraded_in_time(early).figures == "no such answer was seen"

    def test_alerts(self, evidence: Evidence) -> None:
        def kept(*seen: Notification) -> list[bool | None]:
            found = replace(evidence, logs=OUTAGE, notifications=list(seen))
            return [promise.kept for promise in promises_bank.alerted(found, DEAD_AT + 1)]

        firing, resolved = notified(DEAD_AT + 2, "firing"), notified(RECOVERY_AT + 5, "resolved")
        assert kept(firing, resolved) == [True, True, True]
        assert kept(firing) == [True, True, False]
        assert kept(resolved) == [False, True, False]
        assert kept(notified(SLOW_AT, "firing"), notified(SLOW_AT + 1, "resolved")) == [False, True, False]
        other = replace(firing, labels=firing.labels | {"dependency": "cache"})
        assert kept(other, resolved) == [False, True, False]

    def test_without_servers_alerts_are_not_judged(self, evidence: Evidence) -> None:
        found = promises_bank.alerted(replace(evidence, logs=OUTAGE, delivers=False), None)
        assert [promise.kept for promise in found] == [None, True, None]


def notified(at: float, status: str) -> Notification:
    labels = {"alertname": "SeawallBreakerOpen", "dependency": "bank-api"}
    return Notification(at, status, labels, {})


class TestCorrelation:
    def seen(
        self, evidence: Evidence, events: Iterable[str] = ("retry.scheduled", "request.served")
    ) -> Evidence:
        spans = [
            call(SLOW_AT, 2) | {"trace_id": "t", "span_id": "c"},
            {
                "name": "seawall.attempt",
                "trace_id": "t",
                "parent_span_id": "c",
                "attributes": {"error.type": "X"},
            },
        ]
        return replace(
            evidence,
            records=[request(SLOW_AT, correlation_id="id")],
            logs=[{"event": event, "correlation_id": "id"} for event in events],
            spans=spans,
            exemplars=[Exemplar("x_total", {}, {"correlation_id": "id", "trace_id": "t"})],
        )

    def test_followed(self, evidence: Evidence) -> None:
        assert promises_telemetry.followed(self.seen(evidence)).kept

    @pytest.mark.parametrize("missing", ["records", "spans", "exemplars", "logs"])
    def test_each_of_the_four_is_needed(self, evidence: Evidence, missing: str) -> None:
        nothing: dict[str, Any] = {missing: []}
        assert promises_telemetry.followed(replace(self.seen(evidence), **nothing)).kept is False

    def test_a_request_that_was_not_retried_does_not_count(self, evidence: Evidence) -> None:
        assert promises_telemetry.followed(self.seen(evidence, ["request.served"])).kept is False
