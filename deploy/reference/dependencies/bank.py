"""The bank's HTTP API, as its own process: GET /v1/statements?day=YYYY-MM-DD."""

from __future__ import annotations

import argparse
from datetime import date

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from reference import sample


async def statements(request: Request) -> Response:
    """The bookings of one day; 400 for a day that is none."""
    try:
        day = date.fromisoformat(request.query_params.get("day", ""))
    except ValueError:
        return JSONResponse({"error": "day must be YYYY-MM-DD"}, status_code=400)
    entries = [{"reference": e.reference, "amount_cents": e.amount_cents} for e in sample.bank_entries(day)]
    return JSONResponse({"day": day.isoformat(), "entries": entries})


async def live(_: Request) -> Response:
    """Says that the process answers."""
    return PlainTextResponse("ok")


app = Starlette(routes=[Route("/v1/statements", statements), Route("/live", live)])


def main() -> None:
    parser = argparse.ArgumentParser(description="The bank's statement API.")
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port, log_level="warning")


if __name__ == "__main__":
    main()
