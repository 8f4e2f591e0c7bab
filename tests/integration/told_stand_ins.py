"""Stand-ins for Slack, PagerDuty, Microsoft Teams and a mail server: none of them is the real one.

The first three refuse what their documentation of incoming webhooks and of the Events API v2 says is refused.
Each keeps what it was told.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from tests.integration.prometheus_server import free_port

from seawall.alerts import Email, PagerDuty, Receiver, Slack, Teams, Webhook

Json = dict[str, Any]
ROUTING_KEY = "R" * 32
PASSWORD = "correct horse"


def slack(body: Json, _: str) -> tuple[int, str]:
    attachments = body.get("attachments", [])
    if not (body.get("text") or attachments) or not isinstance(attachments, list):
        return 400, "no_text"
    return (400, "too_many_attachments") if len(attachments) > 100 else (200, "ok")


def pagerduty(body: Json, _: str) -> tuple[int, str]:
    problems = []
    if len(body.get("routing_key", "")) != 32:
        problems.append("'routing_key' is invalid")
    if body.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        problems.append("'event_action' is invalid")
    payload = body.get("payload", {})
    if body.get("event_action") == "trigger":
        if not 0 < len(payload.get("summary", "")) <= 1024 or not payload.get("source"):
            problems.append("'payload.summary' and 'payload.source' are required")
        if payload.get("severity") not in ("critical", "warning", "error", "info"):
            problems.append("'payload.severity' is invalid (must be one of the following: ...)")
    problems += [f"link {link!r} has no 'href'" for link in body.get("links", []) if not link.get("href")]
    if problems:
        return 400, json.dumps({"status": "invalid event", "errors": problems})
    return 202, json.dumps({"status": "success", "message": "Event processed"})


def teams(body: Json, _: str) -> tuple[int, str]:
    cards = body.get("attachments", [])
    good = body.get("type") == "message" and cards
    kinds = {card.get("contentType") for card in cards}
    return (202, "") if good and kinds == {"application/vnd.microsoft.card.adaptive"} else (400, "no card")


def webhook(body: Json, authorization: str) -> tuple[int, str]:
    return (200, "") if authorization == "Basic dTpjb3JyZWN0IGhvcnNl" else (401, "")


class Told:
    """What the stand-ins were told, by their names."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Json]] = {"slack": [], "pagerduty": [], "teams": [], "webhook": []}
        self.refused: list[str] = []
        self.mails: list[EmailMessage] = []

    def wait(self, what: str, found: Callable[[], Any]) -> Any:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if got := found():
                return got
            time.sleep(0.02)
        raise AssertionError(f"not within 30 s: {what}; refused: {self.refused}")

    def first(self, name: str, holds: Callable[[Any], bool] = lambda _: True) -> Any:
        of: list[Any] = self.mails if name == "mail" else self.messages[name]
        return self.wait(name, lambda: next((message for message in list(of) if holds(message)), None))

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 (aiosmtpd's)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 kept"


@contextmanager
def stand_ins() -> Iterator[tuple[Told, str, str]]:
    """What they are told, the root of the addresses (``/slack``, ...), and host:port of the mail server."""
    told = Told()
    rules = {"slack": slack, "pagerduty": pagerduty, "teams": teams, "webhook": webhook}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            name = self.path.strip("/")
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, said = rules[name](body, self.headers.get("Authorization", ""))
            if status < 300:
                told.messages[name].append(body)
            else:
                told.refused.append(f"{name}: {said}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(said.encode())))
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    def authenticate(_: Any, __: Any, ___: Any, mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
        return AuthResult(success=right)

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    mail = Controller(
        told, hostname="127.0.0.1", port=0, authenticator=authenticate, auth_required=True,
        auth_require_tls=False, auth_exclude_mechanism=["LOGIN"], enable_SMTPUTF8=True,
    )  # fmt: skip
    # The controller asks the port it was given whether it listens, and 0 is none.
    mail.port = free_port()
    mail.start()
    try:
        yield told, f"http://127.0.0.1:{web.server_address[1]}", f"127.0.0.1:{mail.port}"
    finally:
        mail.stop(no_assert=True)
        web.shutdown()
        web.server_close()


def receivers_of(folder: Path, web: str, mail: str, *, newer: bool) -> list[Receiver]:
    """All of the stand-ins, with their secrets in files; ``newer``: than 0.25, which knows fewer."""
    secrets = {"slack": f"{web}/slack\n", "teams": f"{web}/teams\n", "pd": ROUTING_KEY, "pw": PASSWORD}
    secrets["hook"] = f"{web}/webhook"
    for name, text in secrets.items():
        (folder / name).write_text(text, encoding="utf-8")
    webhook = {"url_file": str(folder / "hook")} if newer else {"url": f"{web}/webhook"}
    receivers: list[Receiver] = [
        Webhook(**webhook, user="u", password_file=str(folder / "pw")),  # type: ignore[arg-type]
        Email(
            to=("oncall@shop.example", "second@shop.example"), sender="seawall@shop.example",
            smarthost=mail, user="u", password_file=str(folder / "pw"), require_tls=False,
        ),
        Slack(api_url_file=str(folder / "slack"), channel="#shop"),
        PagerDuty(
            routing_key_file=str(folder / "pd"), url=f"{web}/pagerduty", severities=("critical",),
            criticalities=("critical",),
        ),
    ]  # fmt: skip
    return [*receivers, Teams(webhook_url_file=str(folder / "teams"))] if newer else receivers


def escaped(text: str) -> str:
    """As Slack asks for it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def marked(text: str) -> str:
    """As Markdown that is none."""
    return "".join("\\" + char if char in "\\`*_~[]<>" else char for char in text)
