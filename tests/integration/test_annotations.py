"""`seawall receive` and Grafana's annotations: once each, to the end, and nothing lost while it is gone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration import alertmanager_server
from tests.integration.annotations_stand_in import TOKEN, AnnotationsOnly, annotations_only
from tests.integration.prometheus_server import free_port
from tests.integration.servers_at_hand import AtHand
from tests.integration.test_alerts_told import alert as made
from tests.integration.test_alerts_told import bundle
from tests.integration.told_stand_ins import Told

from seawall.alerts import Webhook
from seawall.cli.annotations import Annotations, NotAnnotated, connect, milliseconds
from seawall.cli.main import main
from seawall.cli.notifications import Kept, create_app

ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {
        "alertname": "SeawallBreakerOpen",
        "severity": "critical",
        "job": "shop",
        "dependency": "bank",
    },
    "annotations": {"description": "<b>bank</b>: breaker open."},
    "startsAt": "2026-11-23T13:20:01.123456789Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "fingerprint": "00deadbeef00cafe",
}
FIRING = {"status": "firing", "alerts": [ALERT]}
RESOLVED = {
    "status": "resolved",
    "alerts": [{**ALERT, "status": "resolved", "endsAt": "2026-11-23T13:25:00Z"}],
}
START = 1795440001123
END = 1795440300000


@pytest.fixture
def grafana() -> Iterator[AnnotationsOnly]:
    with annotations_only() as found:
        yield found


@pytest.fixture
def posts(grafana: AnnotationsOnly, tmp_path: Path) -> Iterator[Annotations]:
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="utf-8")
    made = connect(grafana.url, tmp_path / "token", None)
    yield made
    made.close()


def test_an_alert_is_one_annotation_from_start_to_end(grafana: AnnotationsOnly, posts: Annotations) -> None:
    for notification in (FIRING, FIRING, RESOLVED, RESOLVED):
        posts.add(notification)
    assert grafana.held == [
        {
            "id": 1,
            "time": START,
            "timeEnd": END,
            "tags": [
                "seawall", "alertname:SeawallBreakerOpen", "severity:critical", "job:shop", "dependency:bank",
                "fingerprint:00deadbeef00cafe",
            ],
            "text": "&lt;b&gt;bank&lt;/b&gt;: breaker open.",
        }
    ]  # fmt: skip
    assert grafana.asked == ["GET", "POST", "GET", "GET", "PATCH", "GET"]


def test_an_end_whose_start_was_not_told_is_told_whole(grafana: AnnotationsOnly, posts: Annotations) -> None:
    posts.add(RESOLVED)
    assert [(one["time"], one["timeEnd"]) for one in grafana.held] == [(START, END)]


def test_alerts_are_told_apart_without_a_fingerprint(grafana: AnnotationsOnly, posts: Annotations) -> None:
    other = deepcopy(ALERT)
    other["labels"]["dependency"] = "cache" + "x" * 200
    both = [{key: value for key, value in one.items() if key != "fingerprint"} for one in (ALERT, other)]
    posts.add({"alerts": both})
    posts.add({"alerts": both})
    assert [one["tags"][4][:16] for one in grafana.held] == ["dependency:bank", "dependency:cache"]
    assert len(grafana.held[1]["tags"][4]) == len("dependency:") + 100


def test_an_alert_without_a_start_is_no_annotation(grafana: AnnotationsOnly, posts: Annotations) -> None:
    posts.add({"alerts": [{**ALERT, "startsAt": "yesterday"}, {"labels": {}, "startsAt": None}]})
    assert grafana.held == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-23T13:20:01.123456789Z", START),
        ("2026-11-23T14:20:01.123+01:00", START),
        ("2026-11-23T13:20:01.123", START),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
        (3, None),
    ],
)
def test_times_are_milliseconds(text: object, found: int | None) -> None:
    assert milliseconds(text) == found


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"down": 500}, "was refused (HTTP 500): not now"),
        ({"permissions": set()}, "the token may not do this (HTTP 403): it needs annotations:read"),
        ({"permissions": {"annotations:read"}}, "it needs annotations:create"),
    ],
)
def test_what_grafana_refuses_is_said(
    grafana: AnnotationsOnly, posts: Annotations, trouble: dict[str, Any], said: str
) -> None:
    for name, value in trouble.items():
        setattr(grafana, name, value)
    with pytest.raises(NotAnnotated) as caught:
        posts.add(FIRING)
    assert said in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_while_grafana_is_gone_nothing_is_lost_and_nothing_kept_twice(
    grafana: AnnotationsOnly, posts: Annotations, tmp_path: Path
) -> None:
    kept = Kept(tmp_path / "kept")
    kept.open()
    shown: list[object] = []
    app = create_app(kept, show=shown.append, annotations=posts, most=10_000)

    async def send() -> list[int]:
        transport = httpx.ASGITransport(app)
        statuses = []
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            for down in (500, 401, 0, 0):
                grafana.down = down
                statuses.append((await client.post("/notifications", json=FIRING)).status_code)
        return statuses

    assert asyncio.run(send()) == [503, 503, 200, 200]
    # The last one is a repetition of Alertmanager's, and kept as such.
    assert len((tmp_path / "kept").read_text(encoding="utf-8").splitlines()) == 2
    assert len(shown) == 2
    assert len(grafana.held) == 1
    kept.close()


@pytest.mark.servers
def test_alertmanager_sends_again_until_grafana_is_back(grafana: AnnotationsOnly, tmp_path: Path) -> None:
    """A real Alertmanager, the command itself, and basic authentication between them."""

    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    (tmp_path / "password").write_text("hunter2", encoding="utf-8")
    port = free_port()
    command = [
        sys.executable, "-m", "seawall.cli", "receive", "--port", str(port), "--file", str(tmp_path / "kept"),
        "--user", "alertmanager", "--password-file", str(tmp_path / "password"),
        "--grafana-url", grafana.url, "--grafana-token-file", str(tmp_path / "token"),
    ]  # fmt: skip
    webhook = Webhook(
        url=f"http://127.0.0.1:{port}/notifications", user="alertmanager",
        password_file=str(tmp_path / "password"),
    )  # fmt: skip
    grafana.down = 500
    receiver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert receiver.stdout is not None
        assert f"annotated in {grafana.url}" in receiver.stdout.readline()
        oldest = AtHand("0.25")
        with alertmanager_server.running(oldest, tmp_path, bundle(oldest, (webhook,))) as url:
            now = datetime.now(UTC)
            fresh = made("bank") | {"startsAt": (now - timedelta(minutes=1)).isoformat()}
            httpx.post(f"{url}/api/v2/alerts", json=[fresh]).raise_for_status()
            Told().wait("tried twice", lambda: len(grafana.asked) > 1)
            grafana.down = 0
            Told().wait("annotated", lambda: grafana.held)
    finally:
        receiver.terminate()
        receiver.wait(20)
    assert [one["tags"][4] for one in grafana.held] == ["dependency:bank"]
    lines = (tmp_path / "kept").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0])["notification"]["alerts"][0]["labels"]["dependency"] == "bank"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--grafana-url", "http://x"), "--grafana-url and --grafana-token-file belong together"),
        (("--grafana-url", "x", "--grafana-token-file", "token"), "can't annotate: 'x' is no address"),
        (("--grafana-url", "http://x", "--grafana-token-file", "none"), "can't read the token file none"),
    ],
)
def test_a_grafana_that_can_not_be_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    assert main(["receive", "--port", "0", *arguments]) == 2
    assert said in capsys.readouterr().err
