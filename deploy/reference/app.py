"""The reference service's own HTTP surface, a Starlette app over the four services.

- POST /reconciliations/{day}   needs database and bank
- GET  /analytics/{day}         needs database, uses the cache
- PUT  /files/{name}            object store, or the spool; 201 when stored, 202 when it waits
- POST /reports                 database and mail, or the outbox; 201 when sent, 202 when it waits
- GET  /waiting                 how many mails and files wait to be sent
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reference.house import House
from reference.model import BankRefused, Mail
from reference.service_time import RequestTimeout
from reference.settings import Settings
from seawall.telemetry import correlation

LARGEST_UPLOAD = 1_000_000


class BadRequest(Exception):
    """The client's fault; the text says what to mend."""


def _day(request: Request) -> date:
    return _date(request.path_params["day"])


def _date(text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise BadRequest("day must be YYYY-MM-DD") from None


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


async def reconcile(request: Request) -> Response:
    """Reconcile one day."""
    return _json(asdict(await _house(request).reconciliation.reconcile(_day(request))))


async def analytics(request: Request) -> Response:
    """Aggregates of one day."""
    return _json(asdict(await _house(request).analytics.totals(_day(request))))


async def upload(request: Request) -> Response:
    """Take a file; it is in the store or in the spool when this is answered."""
    content = await request.body()
    if len(content) > LARGEST_UPLOAD:
        raise BadRequest(f"at most {LARGEST_UPLOAD} bytes")
    waiting = await _house(request).files.upload(request.path_params["name"], content)
    return _json({"waiting": waiting is not None}, 201 if waiting is None else 202)


async def report(request: Request) -> Response:
    """Mail a day's totals; the mail is with the server or in the outbox when this is answered."""
    try:
        wanted = json.loads(await request.body())
        recipient, key, day = str(wanted["to"]), str(wanted["id"]), _date(wanted["day"])
    except (ValueError, KeyError, TypeError):
        raise BadRequest("the body must be JSON with id, to and day") from None
    house = _house(request)
    totals = await house.analytics.totals(day)
    body = f"{totals.rows} bookings of {totals.amount_cents / 100:.2f} in all on {day.isoformat()}.\n"
    mail = Mail(key, recipient, f"Books of {day.isoformat()}", body, correlation.current())
    waiting = await house.mail.send(mail)
    return _json({"waiting": waiting is not None}, 201 if waiting is None else 202)


async def waiting(request: Request) -> Response:
    """How many mails and files wait."""
    house = _house(request)
    return _json({"mails": await house.mail.waiting(), "files": house.files.waiting()})


async def bad_request(_: Request, problem: Exception) -> Response:
    """400, as problem details."""
    body = {"type": "about:blank", "title": "Bad request", "status": 400, "detail": str(problem)}
    return JSONResponse(body, 400, media_type="application/problem+json")


async def bank_refused(_: Request, __: Exception) -> Response:
    """502: the bank did not accept what this service asked of it."""
    body = {"type": "about:blank", "title": "The bank refused the request", "status": 502}
    return JSONResponse(body, 502, media_type="application/problem+json")


def _json(content: dict[str, Any], status: int = 200) -> Response:
    text = json.dumps(content, default=str)
    return Response(text, status, media_type="application/json")


def create_app(settings: Settings) -> Starlette:
    """The app; it opens its dependencies' clients when it starts and closes them when it stops."""
    app = Starlette(
        routes=[
            Route("/reconciliations/{day}", reconcile, methods=["POST"]),
            Route("/analytics/{day}", analytics),
            Route("/files/{name:path}", upload, methods=["PUT"]),
            Route("/reports", report, methods=["POST"]),
            Route("/waiting", waiting),
        ],
        exception_handlers={BadRequest: bad_request, BankRefused: bank_refused},
        lifespan=House.lifespan(settings),
    )
    app.add_middleware(RequestTimeout, seconds=settings.request_timeout)
    return app
