"""Guards of fuzzed names whose breakers open: what real servers tell each receiver names them as they are."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from tests.integration import alertmanager_server, prometheus_server
from tests.integration.prometheus_server import Prometheus, free_port
from tests.integration.servers_at_hand import ALERTMANAGER, AtHand
from tests.integration.test_alerts_delivery import running, wait_for
from tests.integration.told_stand_ins import Told, escaped, marked, receivers_of, stand_ins
from tests.unit.fuzzed_names import seeded

from seawall.alerts import Options, Webhook, build
from seawall.exporter import ExporterServer, ExporterSettings, create_app
from seawall.resilience import Breaker, Registry, ResilienceError
from seawall.telemetry.service import Service

pytestmark = pytest.mark.servers

Json = dict[str, Any]
SEED = 20261125
NAMES = seeded(SEED, 40)
SERVICE = f"shop {seeded(SEED + 1, 1)[0]}"
#: What a mail begins with.
HEAD = ("html", "head", "meta", "meta", "body", "h1")
SUMMARY = "A circuit breaker is open: calls to a dependency are not made."


def described(name: str) -> str:
    return (
        f"{name}: breaker open on 100% of the replicas of {SERVICE}. It opens at 50% failed calls and asks "
        "again every 10m 0s. It has no fallback: meanwhile callers get an error at once, without waiting."
    )


def lines(name: str) -> list[str]:
    return [
        described(name),
        f"Where: {name} of {SERVICE}, cluster local",
        "How bad: critical (dependency: critical)",
    ]


@dataclass
class Place:
    told: Told
    kept: Path
    prometheus: Prometheus
    alertmanager: str
    newer: bool

    def received(self) -> list[Json]:
        """Alerts about breakers that `seawall receive` has kept."""
        if not self.kept.exists():
            return []
        notifications = map(json.loads, self.kept.read_text(encoding="utf-8").split("\n")[:-1])
        return [alert for each in notifications for alert in each["notification"]["alerts"]]

    def each(self, kind: str, name: Any) -> dict[str, Any]:
        """One message for each guard, by what it says the guard is called; waits for as many as there are."""
        of: list[Any] = self.told.mails if kind == "mail" else self.told.messages[kind]
        wait_for(f"{kind} is told of all", lambda: len({name(message) for message in list(of)}) >= len(NAMES))
        return {name(message): message for message in list(of)}


def failing(registry: Registry) -> None:
    """Every breaker opens."""

    def broken() -> None:
        raise ConnectionError

    for name in NAMES:
        guard = registry.guard(
            name, criticality="critical", breaker=Breaker(window_calls=4, minimum_calls=2, open_for=600.0)
        )
        while guard.state == "closed":
            with suppress(ConnectionError, ResilienceError):
                guard.call(broken)


@pytest.fixture(scope="module", params=[ALERTMANAGER[0], ALERTMANAGER[-1]])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    at_hand: AtHand = request.param
    folder = tmp_path_factory.mktemp("fuzzed")
    registry = Registry(service=SERVICE)
    failing(registry)
    exporter = ExporterServer(create_app(registry, service=Service(name=SERVICE)), ExporterSettings(port=0))
    exporter.start()
    newer, webhook, alertmanager = at_hand.version != "0.25", free_port(), free_port()
    kept = folder / "notifications.jsonl"
    with ExitStack() as stack:
        stack.callback(exporter.stop)
        told, web, mail = stack.enter_context(stand_ins())
        options = Options(
            targets=(f"127.0.0.1:{exporter.port}",),
            alertmanagers=(f"127.0.0.1:{alertmanager}",),
            receivers=(
                Webhook(url=f"http://127.0.0.1:{webhook}/notifications"),
                *receivers_of(folder, web, mail, newer=newer),
            ),
            target=f"alertmanager={at_hand.version}",
            scrape_interval=0.25,
            evaluation_interval=0.25,
            time_factor=1 / 150,
        )
        bundle = build(registry.describe(), options)
        for path, text in bundle.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        receive = ("-m", "seawall.cli", "receive", "--port", str(webhook), "--file", str(kept))
        stack.enter_context(running(folder, "receive", sys.executable, *receive))
        wait_for("receive listens", lambda: httpx.get(f"http://127.0.0.1:{webhook}/"))
        url = stack.enter_context(alertmanager_server.running(at_hand, folder, bundle, alertmanager))
        server = prometheus_server.running(folder / "prometheus", bundle["prometheus/prometheus.yml"])
        yield Place(told, kept, stack.enter_context(server), url, newer)


def asked(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)


def test_no_notification_is_lost_and_each_names_its_guard(place: Place) -> None:
    def opened() -> dict[str, Json]:
        found = [a for a in place.received() if a["labels"]["alertname"] == "SeawallBreakerOpen"]
        return {alert["labels"]["dependency"]: alert for alert in found}

    wait_for("receive has all", lambda: len(opened()) >= len(NAMES))
    alerts = opened()
    assert set(alerts) == set(NAMES)
    for name, alert in alerts.items():
        assert (alert["labels"]["job"], alert["labels"]["severity"]) == (SERVICE, "critical")
        assert alert["annotations"]["description"] == described(name)
        assert asked(alert["annotations"]["dashboard_url"]) == {
            "var-job": [SERVICE],
            "var-dependency": [name],
        }
    # Not one rule stumbled over a name.
    rules = [rule for group in place.prometheus.api("rules")["groups"] for rule in group["rules"]]
    assert [rule["name"] for rule in rules if rule.get("lastError")] == []
    metrics = httpx.get(f"{place.alertmanager}/metrics").text.splitlines()
    failed = [line for line in metrics if line.startswith("alertmanager_notifications_failed_total{")]
    assert failed
    assert {line.rpartition(" ")[2] for line in failed} == {"0"}
    assert place.told.refused == []


def test_slack(place: Place) -> None:
    cards = place.each(
        "slack", lambda message: asked(message["attachments"][0]["title_link"])["var-dependency"][0]
    )
    assert set(cards) == set(NAMES)
    for name, message in cards.items():
        (card,) = message["attachments"]
        assert card["title"] == card["fallback"] == escaped(f"CRITICAL {name}: {SUMMARY}")
        assert card["text"].split("\n")[:3] == [escaped(line) for line in lines(name)]
        assert card["mrkdwn_in"] == ["pretext"]


def test_pagerduty(place: Place) -> None:
    events = place.each("pagerduty", lambda event: event["payload"]["component"])
    assert set(events) == set(NAMES)
    for name, event in events.items():
        assert event["payload"]["summary"] == f"CRITICAL {name}: {SUMMARY}"
        assert event["payload"]["group"] == SERVICE
        assert asked(event["client_url"])["var-dependency"] == [name]
        assert event["payload"]["custom_details"]["firing"].strip("\t").split("\n")[:3] == lines(name)


class Page(HTMLParser):
    """The elements of a page, and its texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.texts.append("")
        self.links += [value for name, value in attrs if name == "href" and value]

    def handle_data(self, data: str) -> None:
        if self.texts:
            self.texts[-1] += data


def test_mail(place: Place) -> None:
    mails = place.each("mail", lambda mail: str(mail["Subject"]))
    assert set(mails) == {f"CRITICAL {name}: {SUMMARY}" for name in NAMES}
    for name in NAMES:
        mail = mails[f"CRITICAL {name}: {SUMMARY}"]
        plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
        assert plain.replace("\r\n", "\n").split("\n")[:3] == lines(name)
        page = Page(html)
        assert page.elements == [
            "html",
            "head",
            "meta",
            "meta",
            "body",
            "h1",
            "p",
            "p",
            "br",
            "br",
            "p",
            "a",
            "a",
        ]
        texts = dict(zip(page.elements, page.texts, strict=True))
        assert texts["h1"].strip() == f"CRITICAL {name}: {SUMMARY}"
        assert page.texts[page.elements.index("p")].strip() == described(name).strip()
        assert asked(page.links[0])["var-dependency"] == [name]


def test_teams(place: Place) -> None:
    if not place.newer:
        pytest.skip("Alertmanager 0.25 has no Teams")

    def said(message: Json) -> list[str]:
        return [block["text"] for block in message["attachments"][0]["content"]["body"]]

    cards = place.each("teams", lambda message: said(message)[0])
    assert set(cards) == {marked(f"CRITICAL {name}: {SUMMARY}") for name in NAMES}
    for name in NAMES:
        text = said(cards[marked(f"CRITICAL {name}: {SUMMARY}")])[1].split("\n\n")
        assert text[:3] == [marked(line) for line in lines(name)]
        link = text[4].removeprefix("[Dashboard](").removesuffix(")")
        assert asked(link)["var-dependency"] == [name]
