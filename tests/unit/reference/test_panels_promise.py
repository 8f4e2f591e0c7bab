"""What queries of boards returned, judged: nothing is empty without a reason, and no reason is idle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reference.demo import promises_telemetry, quiet
from reference.demo.listing import listing
from reference.demo.prometheus import Prometheus
from reference.demo.promise import Evidence
from reference.demo.queries import RULES, Query, Result
from reference.demo.scenario import HEALTHY, Phase, Played, Story


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(
        story=Story([Played(Phase(HEALTHY, 20.0, ""), 0.0, 20.0)]),
        records=[],
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


class TestQueries:
    FIRST, SECOND = ("exporter", "Drift", "A"), ("exporter", "Drift", "B")

    @pytest.fixture(autouse=True)
    def reasons(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(quiet, "QUIET", {self.SECOND: "nothing drifts"})
        monkeypatch.setattr("reference.demo.listing.QUIET", {self.SECOND: "nothing drifts"})

    def seen(self, evidence: Evidence, *results: Result) -> Evidence:
        return replace(evidence, prometheus=Prometheus("http://127.0.0.1:1"), results=results)

    def test_what_is_empty_has_a_reason(self, evidence: Evidence) -> None:
        asked, silent = Query(*self.FIRST, ("x",)), Query(*self.SECOND, ("y",))
        seen = self.seen(evidence, Result(asked, 3, 1), Result(silent, 0))
        assert [one.kept for one in promises_telemetry.queries_work(seen)] == [True, True]
        seen = self.seen(evidence, Result(asked, 0), Result(silent, 0))
        runs, shows = promises_telemetry.queries_work(seen)
        assert runs.kept
        assert shows.kept is False
        assert "empty: exporter, Drift, A: x" in shows.figures

    def test_what_has_a_reason_is_empty(self, evidence: Evidence) -> None:
        seen = self.seen(evidence, Result(Query(*self.SECOND, ("y",)), 1))
        shows = promises_telemetry.queries_work(seen)[1]
        assert shows.kept is False
        assert "not empty, though nothing drifts: exporter, Drift, B" in shows.figures

    def test_a_reason_is_for_a_query(self, evidence: Evidence) -> None:
        shows = promises_telemetry.queries_work(self.seen(evidence, Result(Query(*self.FIRST, ("x",)), 1)))[1]
        assert shows.kept is False
        assert "a reason for no query: exporter, Drift, B" in shows.figures

    def test_what_is_refused_is_no_answer(self, evidence: Evidence) -> None:
        seen = self.seen(
            evidence,
            Result(Query(*self.FIRST, ("x",)), 0, 0, "parse error"),
            Result(Query(*self.SECOND, ("y",)), 0),
        )
        runs, shows = promises_telemetry.queries_work(seen)
        assert runs.kept is False
        assert "refused: exporter, Drift, A: x" in runs.figures
        assert shows.kept

    def test_an_alert_may_be_silent_and_no_query_at_all_keeps_nothing(self, evidence: Evidence) -> None:
        alert = Result(Query(RULES, "Alert", "", ("z",), alert=True), 0)
        silent = Result(Query(*self.SECOND, ("y",)), 0)
        assert promises_telemetry.queries_work(self.seen(evidence, silent, alert))[1].kept
        assert [one.kept for one in promises_telemetry.queries_work(self.seen(evidence))] == [False, False]
        assert [one.kept for one in promises_telemetry.queries_work(evidence)] == [None, None]

    def test_the_list_has_every_query_and_reason(self, evidence: Evidence) -> None:
        results = (
            Result(Query(*self.FIRST, ("x",)), 3, 1),
            Result(Query(*self.SECOND, ("y",)), 0),
            Result(Query(RULES, "a:b:c", "", ("z",)), 5, 4),
        )
        lines = listing(self.seen(evidence, *results), "2.42.0").splitlines()
        assert "| Drift | `A` | 3 | 1 |  |" in lines
        assert "|  | `B` | 0 | 0 | nothing drifts |" in lines
        assert "| `a:b:c` | 5 | 4 |  |" in lines
        assert any(line.startswith("**1 of 2 queries of 1 boards returned something**") for line in lines)
