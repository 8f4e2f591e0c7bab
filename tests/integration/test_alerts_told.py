"""What each receiver is told, by real Alertmanagers, with names that try to get out of where they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from tests.integration import alertmanager_server
from tests.integration.servers_at_hand import ALERTMANAGER, AtHand
from tests.integration.told_stand_ins import ROUTING_KEY, Told, escaped, marked, receivers_of, stand_ins

from seawall.alerts import Options, Receiver, build
from seawall.resilience import Breaker, Registry

pytestmark = pytest.mark.servers

BANK = 'bank <!channel> & "} or x{z="{{ .X }} [a](http://evil) *b* <script>alert(1)</script>'
SHOP = "shop </p><h1>"
SUMMARY = "A circuit breaker is open: calls to a dependency are not made."
DASHBOARD = "https://grafana.example/d/x?var-job=shop&var-dependency=bank%28%22"
SINCE = datetime(2026, 11, 23, 13, 0, tzinfo=UTC)


def alert(dependency: str = BANK, **more: Any) -> dict[str, Any]:
    return {
        "labels": {
            "alertname": "SeawallBreakerOpen", "severity": "critical", "criticality": "critical",
            "dependency": dependency, "job": SHOP, "cluster": "eu", **more,
        },
        "annotations": {
            "summary": SUMMARY,
            "description": f"{dependency}: breaker open on 100% of the replicas of {SHOP}. "
            "Meanwhile callers get degraded answers from its fallback (stale).",
            "dashboard_url": DASHBOARD,
            "runbook_url": "https://runbooks.example/SeawallBreakerOpen.md",
        },
        "startsAt": SINCE.isoformat(),
        "endsAt": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }  # fmt: skip


def bundle(at_hand: AtHand, receivers: tuple[Receiver, ...]) -> dict[str, str]:
    registry = Registry(service=SHOP)
    registry.guard(BANK, criticality="critical", breaker=Breaker())
    target = f"alertmanager={at_hand.version}"
    options = Options(receivers=receivers, target=target, group_wait=0, group_interval=1.0)
    return build(registry.describe(), options)


Place = tuple[Told, str, AtHand]


@pytest.fixture(scope="module", params=ALERTMANAGER)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    at_hand: AtHand = request.param
    folder = tmp_path_factory.mktemp("told")
    with stand_ins() as (told, web, mail):
        receivers = receivers_of(folder, web, mail, newer=at_hand.version != "0.25")
        with alertmanager_server.running(at_hand, folder, bundle(at_hand, tuple(receivers))) as url:
            httpx.post(f"{url}/api/v2/alerts", json=[alert()]).raise_for_status()
            yield told, url, at_hand


LINES = (
    f"{BANK}: breaker open on 100% of the replicas of {SHOP}. Meanwhile callers get degraded answers from "
    "its fallback (stale).",
    f"Where: {BANK} of {SHOP}, cluster eu",
    "How bad: critical (dependency: critical)",
    "Since 23 Nov 13:00 UTC",
)


def test_slack(place: Place) -> None:
    told, _, _ = place
    message = told.first("slack", lambda body: "CRITICAL" in body["attachments"][0]["title"])
    (card,) = message["attachments"]
    assert message["channel"] == "#shop"
    assert card["title"] == card["fallback"] == escaped(f"CRITICAL {BANK}: {SUMMARY}")
    assert card["title_link"] == DASHBOARD
    assert card["color"] == "danger"
    assert card["text"].splitlines() == [
        *map(escaped, LINES),
        f"<{escaped(DASHBOARD)}|Dashboard>",
        "<https://runbooks.example/SeawallBreakerOpen.md|Runbook>",
    ]
    # Names are no markup.
    assert card["mrkdwn_in"] == ["pretext"]


def test_pagerduty(place: Place) -> None:
    told, _, _ = place
    event = told.first("pagerduty", lambda body: body["event_action"] == "trigger")
    payload = event["payload"]
    assert event["routing_key"] == ROUTING_KEY
    assert payload["summary"] == f"CRITICAL {BANK}: {SUMMARY}"
    assert payload["severity"] == "critical"
    assert (payload["class"], payload["component"], payload["group"]) == ("SeawallBreakerOpen", BANK, SHOP)
    assert (event["client"], event["client_url"]) == ("seawall", DASHBOARD)
    assert [(link["href"], link["text"]) for link in event["links"]] == [
        (DASHBOARD, "Dashboard"),
        ("https://runbooks.example/SeawallBreakerOpen.md", "Runbook"),
    ]
    assert payload["custom_details"]["firing"].strip().splitlines()[:4] == list(LINES)
    assert not payload["custom_details"]["resolved"]


def test_pagerduty_runs_no_template_of_somebody_else(place: Place) -> None:
    """From 0.30 on, what is YAML among the details would be read as such, and its texts as templates."""
    told, url, _ = place
    evil = alert("evil")
    evil["annotations"]["description"] = '{"a": "{{ len .Alerts }}"}\n---'
    httpx.post(f"{url}/api/v2/alerts", json=[evil]).raise_for_status()
    event = told.first("pagerduty", lambda body: body.get("payload", {}).get("component") == "evil")
    assert event["payload"]["custom_details"]["firing"].startswith('\t{"a": "{{ len .Alerts }}"}\n---\nWhere')


def test_mail(place: Place) -> None:
    told, _, _ = place
    mail = told.first("mail", lambda found: "CRITICAL" in found["Subject"])
    assert mail["Subject"] == f"CRITICAL {BANK}: {SUMMARY}"
    assert mail["To"] == "oncall@shop.example, second@shop.example"
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().splitlines()[:6] == [
        *LINES,
        f"Look: {DASHBOARD}",
        "Act: https://runbooks.example/SeawallBreakerOpen.md",
    ]
    page = mail.get_body(("html",))
    assert page is not None
    html = page.get_content()
    # Made for a narrow screen; every name is text.
    assert 'name="viewport"' in html
    assert "<script" not in html
    assert html.count("<h1") == 1
    assert "How bad: critical (dependency: critical)<br>Since 23 Nov 13:00 UTC" in html
    assert "https://grafana.example/d/x?var-job=shop&amp;var-dependency=bank%28%22" in html
    assert "{{" not in html.replace("{{ .X }}", "")


def test_teams(place: Place) -> None:
    told, _, at_hand = place
    if at_hand.version == "0.25":
        pytest.skip("Alertmanager 0.25 has no Teams")
    message = told.first("teams", lambda body: "CRITICAL" in str(body))
    title, text, *_ = [block["text"] for block in message["attachments"][0]["content"]["body"]]
    assert title == marked(f"CRITICAL {BANK}: {SUMMARY}")
    assert text.split("\n\n") == [
        *map(marked, LINES),
        f"[Dashboard]({DASHBOARD})",
        "[Runbook](https://runbooks.example/SeawallBreakerOpen.md)",
    ]


def test_a_webhook_behind_a_password(place: Place) -> None:
    told, _, _ = place
    message = told.first("webhook")
    assert message["alerts"][0]["labels"]["dependency"] == BANK


def test_many_alerts_are_cut_short_and_the_end_is_told(place: Place) -> None:
    told, url, _ = place
    many = [alert("cache", replica=str(n)) for n in range(7)]
    httpx.post(f"{url}/api/v2/alerts", json=many).raise_for_status()
    title = f"CRITICAL cache: {SUMMARY}"
    mail = told.first("mail", lambda found: found["Subject"] == title and "7 alerts" in str(found))
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().count("Where: ") == 5
    assert "7 alerts in all, of which these are the first 5." in plain.get_content()

    over = {**alert(), "endsAt": datetime.now(UTC).isoformat()}
    httpx.post(f"{url}/api/v2/alerts", json=[over]).raise_for_status()
    resolved = told.first("slack", lambda body: "RESOLVED" in body["attachments"][0]["title"])
    (card,) = resolved["attachments"]
    assert card["title"] == escaped(f"RESOLVED {BANK}: {SUMMARY}")
    assert card["color"] == "good"
    assert card["text"].splitlines()[3].startswith("From 23 Nov 13:00 to ")
    told.first("pagerduty", lambda body: body["event_action"] == "resolve")
    assert told.refused == []
