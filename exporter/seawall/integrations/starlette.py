"""Starlette and FastAPI: errors of guards as problem details."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from seawall.integrations import problems
from seawall.resilience import ResilienceError


async def problem_handler(request: Request, error: Exception) -> Response:
    """An exception handler for `ResilienceError`, and for any other error should it be given one."""
    found = problems.from_error(error) if isinstance(error, ResilienceError) else problems.internal()
    return Response(found.body, found.status, found.headers)


def install_problems(app: Starlette) -> None:
    """Answer every `ResilienceError` that a handler lets out with its problem details."""
    app.add_exception_handler(ResilienceError, problem_handler)
